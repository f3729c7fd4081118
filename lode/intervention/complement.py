"""Complement: keep only the selected neurons, zero all others. Source: MINER; METHODS 1.5."""

from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor

from lode.model.adapter import Adapter
from lode.model.weights import by_layer, zeroed_columns


def intervene(adapter: Adapter, neurons: Any, attention_mask: Tensor) -> AbstractContextManager[None]:
    """Zero every (layer, neuron) that is not in the set."""
    del attention_mask  # weights act on every token
    kept = by_layer(neurons)
    others = [
        (layer, neuron)
        for layer in range(adapter.num_layers)
        for neuron in sorted(set(range(adapter.num_neurons)) - set(kept.get(layer, ())))
    ]
    return zeroed_columns(adapter, others)
