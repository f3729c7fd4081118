"""Switch neurons in the weights, and back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from lode.model.adapter import Adapter


def by_layer(neurons: Sequence[tuple[int, int]] | Any) -> dict[int, list[int]]:
    """(layer, neuron) pairs as the sorted neurons of each layer."""
    grouped: dict[int, list[int]] = {}
    for layer, neuron in sorted((int(pair[0]), int(pair[1])) for pair in neurons):
        grouped.setdefault(layer, []).append(neuron)
    return grouped


@contextmanager
def zeroed_columns(adapter: Adapter, neurons: Sequence[tuple[int, int]] | Any) -> Iterator[None]:
    """Zero the columns of `down_proj` that the neurons write through; put the saved columns back on leaving."""
    saved = []
    try:  # from the first column on: saving the next may fail for lack of memory
        for layer, indices in by_layer(neurons).items():
            weight = adapter.down_proj[layer].weight.data
            index = torch.tensor(indices, device=weight.device)
            saved.append((weight, index, weight[:, index]))  # indexing by a tensor copies
            weight[:, index] = 0
        yield
    finally:
        for weight, index, columns in saved:
            weight[:, index] = columns
