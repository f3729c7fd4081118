"""Tensor minimum: a neuron takes the smallest activation of its layer in that forward pass.

The reference calls it "-1". The minimum is taken in each sample over the real tokens of the pass and all neurons of the
layer: over the whole prompt in prefill, over one token in each step of decoding. Source: MINER (arXiv 2410.04819);
docs/methods.md 1.5. The value depends on the other neurons of the layer, so it is no property of the neuron. At a site
without tokens all rows count, those of padding too: the mask of a site is that of captures.
"""

import torch
from torch import Tensor

from lode.intervention import View

NEEDS: tuple[str, ...] = ()
IN_WEIGHTS = False


def new_values(view: View) -> Tensor:
    """One number for the prompt of each sample, and one for each token of its reply."""
    lowest = view.activations.amin(2)
    of_prompt = lowest.masked_fill(~view.prompt, torch.inf).amin(1, keepdim=True)
    return torch.where(view.prompt, of_prompt, lowest)[..., None]
