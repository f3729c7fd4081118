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
    repeated = key.float().repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    logits = query.float() @ repeated.mT * scaling
    visible = real[:, None, None, :]
    if causal:
        num_tokens = query.shape[2]
        visible = visible & torch.ones(num_tokens, num_tokens, dtype=torch.bool, device=query.device).tril()
    lowest = torch.finfo(logits.dtype).min  # finite: a padded query without visible keys must not give NaN
    return logits.masked_fill(~visible, lowest).softmax(-1).mean(1)
