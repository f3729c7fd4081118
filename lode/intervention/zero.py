"""Zero: the activation of a neuron is 0 at every token, in prefill and decoding.

Baked into the weights: zeroing neuron n at the gate or the hidden site equals zeroing column n of
`down_proj`, so nothing runs at inference. Source: MINER (arXiv 2410.04819); METHODS 1.5.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lode.model.adapter import Adapter, by_layer


@contextmanager
def intervene(adapter: Adapter, neurons: Any, attention_mask: Tensor) -> Iterator[None]:
    """Zero columns of `down_proj`; put the saved columns back on leaving."""
    del attention_mask  # the weights act on every token alike
    saved = []
    for layer, indices in by_layer(neurons).items():
        weight = adapter.down_proj[layer].weight.data
        index = torch.tensor(indices, device=weight.device)
        saved.append((weight, index, weight[:, index].clone()))
        weight[:, index] = 0
    try:
        yield
    finally:
        for weight, index, columns in saved:
            weight[:, index] = columns
