"""See or replace the gate site of chosen layers while the model runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor

from lode.model.adapter import Adapter

#: Called with a layer and its activations (batch, token, neuron); what it returns, if anything, takes their place.
Watcher = Callable[[int, Tensor], Tensor | None]


@contextmanager
def gate_site(adapter: Adapter, watch: Watcher, layers: Sequence[int] | None = None) -> Iterator[None]:
    """Within the context every pass shows `watch` the activations of the layers, all unless named."""

    def hook_of(layer: int) -> Any:
        return lambda _module, _inputs, activations: watch(layer, activations)

    with ExitStack() as stack:
        for layer in range(adapter.num_layers) if layers is None else layers:
            stack.callback(adapter.activation[layer].register_forward_hook(hook_of(layer)).remove)
        yield
