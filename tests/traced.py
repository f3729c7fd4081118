"""What a trace is compared with: the states, and the attention outputs, of one pass by hooks of its own."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from lode.model.adapter import Adapter
from lode.model.sites import module_at


def plain_pass(adapter: Adapter, inputs: Mapping[str, Any]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Logits of all positions, states 0 ... L, and what the attention of every layer gives (batch, token, hidden)."""
    layers = list(module_at(adapter.model, adapter.config.layers, "layers").children())
    states: list[Tensor] = []
    outputs: list[Tensor] = []
    with ExitStack() as stack:
        first = layers[0].register_forward_pre_hook(lambda _module, given: states.append(given[0].clone()))
        stack.callback(first.remove)
        for layer in layers:
            stack.callback(layer.register_forward_hook(lambda *call: states.append(call[2].clone())).remove)
        for module in adapter.attention:
            stack.callback(module.register_forward_hook(lambda *call: outputs.append(call[2][0].clone())).remove)
        with torch.inference_mode():
            logits = adapter.model(**inputs, use_cache=False).logits
    return logits, states, outputs


def rows_of(columns: Mapping[str, Any], **keys: Any) -> list[dict[str, Any]]:
    """The rows of columns that have these values."""
    values = {name: list(column) for name, column in columns.items()}
    count = len(values["layer"])
    rows = [{name: column[at] for name, column in values.items()} for at in range(count)]
    return [row for row in rows if all(row[name] == value for name, value in keys.items())]
