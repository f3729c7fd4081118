"""Scale: the activation of a neuron is multiplied by a number, at every token, in prefill and decoding.

Strength 0 switches off (as `zero`, up to rounding), 1 changes nothing, bit for bit (the sham control), -1 turns the
sign round, above 1 amplifies. Source: METHODS 3. It does not tell apart a neuron that is not needed from one that
another replaces.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from lode.model.adapter import Adapter
from lode.model.weights import by_layer


@contextmanager
def intervene(adapter: Adapter, neurons: Any, attention_mask: Tensor, strength: float = 0.0) -> Iterator[None]:
    """Hook the gate site of every layer that holds a neuron of the set.

    Args:
        adapter: the model.
        neurons: (layer, neuron) pairs.
        attention_mask: not needed, as every token is treated alike.
        strength: what activations are multiplied by.
    """
    del attention_mask

    def scaled(index: Tensor) -> Any:
        def hook(_module: Any, _inputs: Any, activations: Tensor) -> Tensor:
            changed = activations.clone()
            changed[..., index] *= strength
            return changed

        return hook

    with ExitStack() as stack:
        for layer, indices in by_layer(neurons).items():
            index = torch.tensor(indices, device=adapter.device)
            stack.callback(adapter.activation[layer].register_forward_hook(scaled(index)).remove)
        yield
