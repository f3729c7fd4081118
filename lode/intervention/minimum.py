"""Tensor minimum: a neuron takes the smallest activation of its layer in that forward pass.

The reference calls it "-1". The minimum is taken per sample over real tokens and all neurons of the
layer, so a batch of n equals n batches of one. Source: MINER (arXiv 2410.04819); METHODS 1.5.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from lode.model.adapter import Adapter
from lode.model.weights import by_layer


@contextmanager
def intervene(adapter: Adapter, neurons: Any, attention_mask: Tensor) -> Iterator[None]:
    """Hook the gate site of every layer that holds a neuron of the set."""
    padding = attention_mask == 0

    def replace(index: Tensor) -> Any:
        def hook(_module: Any, _inputs: Any, activations: Tensor) -> Tensor:
            real = activations
            if activations.shape[1] == padding.shape[1]:  # prefill; a decoding step has one real token
                real = activations.masked_fill(padding[..., None].to(activations.device), torch.inf)
            changed = activations.clone()
            changed[..., index] = real.amin((1, 2))[:, None, None]
            return changed

        return hook

    with ExitStack() as stack:
        for layer, indices in by_layer(neurons).items():
            index = torch.tensor(indices, device=adapter.down_proj[layer].weight.device)  # layers may be spread
            handle = adapter.activation[layer].register_forward_hook(replace(index))
            stack.callback(handle.remove)
        yield
