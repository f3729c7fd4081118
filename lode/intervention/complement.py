"""Complement: keep only the selected neurons, zero all others. Source: MINER; METHODS 1.5."""

from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor

from lode.intervention import zero
from lode.model.adapter import Adapter, by_layer


def intervene(adapter: Adapter, neurons: Any, attention_mask: Tensor) -> AbstractContextManager[None]:
    """Zero every (layer, neuron) that is not in the set."""
    kept = by_layer(neurons)
    others = [
        (layer, neuron)
        for layer in range(adapter.num_layers)
        for neuron in sorted(set(range(adapter.num_neurons)) - set(kept.get(layer, ())))
    ]
    return zero.intervene(adapter, others, attention_mask)
