"""Heads of the language model's attention: what each writes for the last token, and another value in its place.

The output of attention is W_O z + bias, z the outputs of all heads one after the other; so head h adds W_O[:, h] z_h.
Source: docs/methods.md 7.4, 7.6.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lode.engine.errors import UserError
from lode.model.adapter import Adapter
from lode.model.attention import Attention

#: Called with a layer and what its W_O reads (batch, token, width).
Seen = Callable[[int, Tensor], None]


def projection_of(adapter: Adapter, layer: int) -> nn.Linear:
    """W_O of a layer.

    Raises:
        UserError: the module has none of this name.
    """
    found = dict(adapter.attention[layer].named_children()).get("o_proj")
    if not isinstance(found, nn.Linear):
        names = ", ".join(name for name, _ in adapter.attention[layer].named_children())
        raise UserError(
            f"model {adapter.config.name}: the attention of layer {layer} holds {names}; expected a linear map "
            "`o_proj`, by which contributions to its output are taken. Choose another model"
        )
    return found


def last_weights(attention: Attention, last: int) -> Float[Tensor, "batch head token"]:
    """The weights that the last token of each prompt gives to every token, in single precision."""
    query, key = attention.query[:, :, last].float(), attention.key.float()
    grouped = query.unflatten(1, (key.shape[1], -1)) * attention.scaling
    logits = torch.einsum("bkrd,bktd->bkrt", grouped, key).flatten(1, 2)
    seen = attention.visible[:, :, last if attention.visible.shape[2] > 1 else 0]
    return logits.masked_fill(~seen, -torch.inf).softmax(-1)


def num_heads(adapter: Adapter) -> int:
    """Heads in each layer of the language model."""
    config: Any = adapter.attention[0].config  # the language model's own
    return int(config.num_attention_heads)


def head_outputs(
    adapter: Adapter, layer: int, outputs: Float[Tensor, "*place width"]
) -> Float[Tensor, "*place head hidden"]:
    """What each head adds to the output of the attention of a layer, from what its projection W_O reads."""
    weight = projection_of(adapter, layer).weight.unflatten(1, (num_heads(adapter), -1))
    return torch.einsum("...hd,ohd->...ho", outputs.unflatten(-1, (num_heads(adapter), -1)), weight)


@contextmanager
def replaced_head(
    adapter: Adapter,
    layer: int,
    head: int,
    places: Int[Tensor, "batch token"],
    values: Float[Tensor, "kind width"],
) -> Iterator[None]:
    """Within the context a head gives other values at some tokens.

    Args:
        adapter: the model.
        layer, head: counted from 0.
        places: which of the values each token of the passes is given; -1: its own.
        values: of all heads of the layer, one after the other.
    """
    width = values.shape[1] // num_heads(adapter)
    own = slice(head * width, (head + 1) * width)

    def hook(_module: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        found = given[0].clone()
        where = places.to(found.device)
        new = values.to(found)[where.clamp_min(0), own]
        found[..., own] = torch.where((where >= 0)[..., None], new, found[..., own])
        return (found, *given[1:])

    handle = projection_of(adapter, layer).register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def seen_heads(adapter: Adapter, see: Seen) -> Iterator[None]:
    """Within the context the outputs of all heads are shown, layer by layer."""
    handles = [
        projection_of(adapter, layer).register_forward_pre_hook(partial(_show, see, layer))
        for layer in range(adapter.num_layers)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _show(see: Seen, layer: int, _module: Any, given: tuple[Tensor, ...]) -> None:
    see(layer, given[0])
