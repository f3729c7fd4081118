"""See queries, keys and values of the language model's attention, through transformers' own attention registry."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from lode.engine.errors import UserError
from lode.model.adapter import Adapter

NAME = "lode_observed"

#: Products of queries and keys that are looked at together on a CPU: what its cache holds.
_BLOCK_BYTES = 4 * 2**20


class Attention(NamedTuple):
    """What the attention of one layer is made of.

    Attributes:
        query: after rotary embedding (batch, head, token, dim).
        key, value: the same, with fewer heads where these are grouped.
        scaling: of the products of queries and keys.
        visible: which keys a query sees (batch, 1, query, key), as in `visible_keys`.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    scaling: float
    visible: Tensor


#: Called with a layer and its attention.
Observer = Callable[[int, Attention], None]

#: Called with a layer, the mask of its attention, queries, keys and the sliding window; gives another mask.
Masker = Callable[[int, Tensor | None, Tensor, Tensor, int | None], Tensor | None]

#: What changes the weights of attention between products and softmax, or in it.
OTHER_WEIGHTS = ("softcap", "s_aux")


def attention_function(module: Any) -> Callable[..., Any]:
    """What computes the attention of a module; `eager` is in no registry but in the file of the model's class."""
    eager = sys.modules[type(module).__module__].eager_attention_forward
    return ALL_ATTENTION_FUNCTIONS.get_interface(module.config._attn_implementation, eager)


@contextmanager
def observed(adapter: Adapter, observer: Observer) -> Iterator[None]:
    """Run `observer` at every language-model layer; the attention itself is computed as before.

    Contexts may be nested. Edges that are cut (`lode/model/cutting.py`) are cut before anybody observes.

    Raises:
        UserError: the weights of attention are not the softmax of scaled products.
    """
    layer_of = {id(module): layer for layer, module in enumerate(adapter.attention)}
    config: Any = adapter.attention[0].config  # the language model's own; encoders have another
    original = config._attn_implementation
    compute = attention_function(adapter.attention[0])

    def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **options: Any) -> Any:
        refuse_other_weights(adapter, options)
        layer, window = layer_of[id(module)], options.get("sliding_window")
        for masker in adapter.contexts.maskers:
            attention_mask = masker(layer, attention_mask, query, key, window)
        visible = visible_keys(attention_mask, query, window, key.shape[2])
        observer(layer, Attention(query, key, value, options["scaling"], visible))
        return compute(module, query, key, value, attention_mask, **options)

    name = f"{original}_within" if original.startswith(NAME) else NAME
    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[original])
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = original


def refuse_other_weights(adapter: Adapter, options: Mapping[str, Any]) -> None:
    """Refuse attention that `head_mean_attention` does not compute: capped products, or a sink.

    Raises:
        UserError: names the option.
    """
    for name in OTHER_WEIGHTS:
        if options.get(name) is not None:
            raise UserError(
                f"model {adapter.config.name}: its attention takes {name}, so its weights are not the softmax of "
                "scaled products of queries and keys, which importance is made of. Choose another model"
            )


def visible_keys(
    mask: Tensor | None, query: Float[Tensor, "batch head query dim"], window: int | None, num_keys: int | None = None
) -> Bool[Tensor, "#batch 1 query key"]:
    """Which keys a query sees, by the mask that the model's attention is given.

    Sliding windows and image tokens that see each other are in the mask; its form depends on the implementation.

    Args:
        mask: sdpa: booleans (batch, 1, query, key); eager: what is added to the products, 0 for a visible key; flash
            attention: which tokens are no padding (batch, key), the rest is causal within the window; None: causal.
        query: of the last tokens.
        window: how many keys a query sees where `mask` does not say, itself among them; None: all before it.
        num_keys: of all tokens so far; None: those of the queries, as in a pass over a prompt.
    """
    if mask is not None and mask.ndim == 4:
        return mask if mask.dtype == torch.bool else mask >= 0
    num_queries = query.shape[2]
    num_tokens = num_keys or num_queries
    places = torch.arange(num_tokens, device=query.device)
    distance = places[num_tokens - num_queries :, None] - places
    visible = ((distance >= 0) & (distance < (window or num_tokens)))[None, None]
    return visible if mask is None else visible & mask.bool()[:, None, None, :]


def head_mean_attention(
    query: Float[Tensor, "batch head token dim"],
    key: Float[Tensor, "batch key_head token dim"],
    scaling: float,
    visible: Bool[Tensor, "#batch #head #token token"],
) -> Float[Tensor, "batch token token"]:
    """S_l: softmax of the scaled products over visible keys, averaged over heads (docs/methods.md 0, 1.2).

    Args:
        query, key: after rotary embedding; grouped keys are repeated.
        scaling: 1 / sqrt(d_head).
        visible: which keys a query attends to: as in `visible_keys`, or all that are no padding, as in the reference
            of MINER.
    """
    num_samples, num_heads, num_tokens, _ = query.shape
    grouped = query.float().unflatten(1, (key.shape[1], -1)) * scaling
    keys = key.float().mT
    step = num_tokens if query.is_cuda else max(1, _BLOCK_BYTES // (4 * num_samples * num_heads * num_tokens))
    lowest = torch.finfo(keys.dtype).min  # finite: a padded query without visible keys must not give NaN
    attention = keys.new_empty(num_samples, num_tokens, num_tokens)
    for start in range(0, num_tokens, step):
        some = grouped[:, :, :, start : start + step]
        logits = (some.flatten(2, 3) @ keys).view(num_samples, num_heads, -1, num_tokens)
        seen = visible if visible.shape[2] == 1 else visible[:, :, start : start + step]
        attention[:, start : start + step] = logits.masked_fill_(~seen, lowest).softmax(-1).mean(1)
    return attention
