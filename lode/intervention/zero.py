"""Zero: the activation of a neuron is 0.

At every token of every pass it is baked into the weights: zeroing neuron n at the gate or the hidden site equals
zeroing column n of `down_proj`, so nothing runs at inference. Source: MINER (arXiv 2410.04819); docs/methods.md 1.5.
Zero is no value that the neuron usually has, so a drop may come from the strange value as well as from what is missing.
"""

import torch
from torch import Tensor

from lode.intervention import View

NEEDS: tuple[str, ...] = ()
IN_WEIGHTS = True


def new_values(view: View) -> Tensor:
    """0 at every token."""
    return torch.zeros_like(view.chosen)
