"""See queries and keys of the language model's attention, through transformers' own attention registry."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from lode.model.adapter import Adapter

NAME = "lode_observed"

#: Products of queries and keys that are looked at together on a CPU: what its cache holds.
_BLOCK_BYTES = 4 * 2**20

#: Called with (layer, query, key, scaling); query (batch, head, token, dim), key with fewer heads if grouped.
Observer = Callable[[int, Tensor, Tensor, float], None]


def attention_function(module: Any) -> Callable[..., Any]:
    """What computes the attention of a module; `eager` is in no registry but in the file of the model's class."""
    eager = sys.modules[type(module).__module__].eager_attention_forward
    return ALL_ATTENTION_FUNCTIONS.get_interface(module.config._attn_implementation, eager)


@contextmanager
def observed(adapter: Adapter, observer: Observer) -> Iterator[None]:
    """Run `observer` at every language-model layer; the attention itself is computed as before."""
    layer_of = {id(module): layer for layer, module in enumerate(adapter.attention)}
    config: Any = adapter.attention[0].config  # the language model's own; encoders have another
    original = config._attn_implementation
    compute = attention_function(adapter.attention[0])

    def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **options: Any) -> Any:
        observer(layer_of[id(module)], query, key, options["scaling"])
        return compute(module, query, key, value, attention_mask, **options)

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS[original])
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = original


def head_mean_attention(
    query: Float[Tensor, "batch head token dim"],
    key: Float[Tensor, "batch key_head token dim"],
    scaling: float,
    real: Bool[Tensor, "batch token"],
    causal: bool,
) -> Float[Tensor, "batch token token"]:
    """S_l: softmax of the scaled products over real keys, averaged over heads (METHODS 0, 1.2).

    Args:
        query, key: after rotary embedding; grouped keys are repeated.
        scaling: 1 / sqrt(d_head).
        real: False for padding, which no query attends to.
        causal: whether a query sees only itself and earlier keys; the reference of MINER sees all.
    """
    num_samples, num_heads, num_tokens, _ = query.shape
    grouped = query.float().unflatten(1, (key.shape[1], -1)) * scaling
    keys = key.float().mT
    step = num_tokens if query.is_cuda else max(1, _BLOCK_BYTES // (4 * num_samples * num_heads * num_tokens))
    places = torch.arange(num_tokens, device=query.device)
    lowest = torch.finfo(keys.dtype).min  # finite: a padded query without visible keys must not give NaN
    attention = keys.new_empty(num_samples, num_tokens, num_tokens)
    for start in range(0, num_tokens, step):
        some = grouped[:, :, :, start : start + step]
        logits = (some.flatten(2, 3) @ keys).view(num_samples, num_heads, -1, num_tokens)
        visible = real[:, None, None, :]
        if causal:
            visible = visible & (places[start : start + step, None] >= places)
        attention[:, start : start + step] = logits.masked_fill_(~visible, lowest).softmax(-1).mean(1)
    return attention
