"""See, or replace, what a model computes while it runs: the one place where hooks of watchers are put up."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

from torch import Tensor

from lode.model.adapter import Adapter, encoders_run
from lode.model.attention import Observer, observed
from lode.model.sites import module_at

#: Called with a layer and its activations (..., neuron); what it returns, if anything, takes their place.
Watcher: TypeAlias = Callable[[int, Tensor], Tensor | None]
#: Called with a layer and what its reader reads (..., neuron): the activations times what else is multiplied.
HiddenWatcher: TypeAlias = Callable[[int, Tensor], None]
#: Called with l = 0 ... L and the residual states (batch, token, hidden): the input of the first layer for 0, what
#: layer l - 1 gives for the others, before any final norm.
StatesWatcher: TypeAlias = Callable[[int, Tensor], None]
_NONE: Mapping[str, Any] = MappingProxyType({})


@contextmanager
def watching(
    adapter: Adapter,
    attention: Observer | None = None,
    activations: Mapping[str, Watcher] = _NONE,
    hidden: Mapping[str, HiddenWatcher] = _NONE,
    states: StatesWatcher | None = None,
) -> Iterator[None]:
    """Within the context every pass shows itself, layer by layer.

    A switch that was entered before has acted when its activations are shown; one of the weights changes what is
    shown of later layers only.

    Args:
        adapter: the model.
        attention: is shown that of the language model (`lode/model/attention.py`).
        activations: by site, what is shown the activations, and may give others.
        hidden: by site, what is shown the inputs of the readers.
        states: is shown the residual states of the language model.

    Raises:
        UserError: a site within an encoder whose answers are kept.
    """
    with ExitStack() as stack:
        stack.enter_context(encoders_run(adapter, {*activations, *hidden}))
        if attention is not None:
            stack.enter_context(observed(adapter, attention))
        for name, watch in activations.items():
            for layer, module in enumerate(adapter.sites[name].activation):
                stack.callback(module.register_forward_hook(partial(_show_output, watch, layer)).remove)
        for name, see in hidden.items():
            for layer, module in enumerate(adapter.sites[name].reader):
                stack.callback(module.register_forward_pre_hook(partial(_show_input, see, layer)).remove)
        if states is not None:
            layers = tuple(module_at(adapter.model, adapter.config.layers, "model.layers").children())
            stack.callback(layers[0].register_forward_pre_hook(partial(_show_input, states, 0)).remove)
            for layer, module in enumerate(layers):
                stack.callback(module.register_forward_hook(partial(_show_output, states, layer + 1)).remove)
        yield


def _show_output(watch: Watcher, layer: int, _module: Any, _inputs: Any, output: Tensor) -> Tensor | None:
    return watch(layer, output)


def _show_input(see: HiddenWatcher, layer: int, _module: Any, inputs: tuple[Tensor, ...]) -> None:
    see(layer, inputs[0])
