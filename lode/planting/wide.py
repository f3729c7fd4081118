"""A copy of a Qwen2-VL, twice as wide, that computes the same: room for channels that nothing else uses.

Every attention head occurs twice and one of each pair writes nothing, so the mean attention over heads, which MINER
reads, stays as it was. Embeddings, weights and norms get zeros on the new half of the residual stream: nothing
writes there and nothing reads there. RMSNorm divides by the mean over twice as many coordinates, so its weights
shrink by the square root of 2, and its epsilon is halved. The head gets weights of its own, or a channel in the
embeddings would speak through it.
"""

import copy
import math
from typing import Any

import torch
from torch import Tensor

from lode.engine.errors import UserError

MODEL_TYPE = "qwen2_vl"


def wide_config(config: Any, num_added: int) -> Any:
    """The config of the copy: width and heads doubled, `num_added` more neurons a layer, the head untied."""
    wide = copy.deepcopy(config)
    text = wide.text_config
    text.hidden_size *= 2
    text.num_attention_heads *= 2
    text.intermediate_size += num_added
    text.rms_norm_eps /= 2
    wide.vision_config.hidden_size = text.hidden_size
    wide.tie_word_embeddings = text.tie_word_embeddings = False
    return wide


def doubled_heads(name: str, weight: Tensor, num_groups: int, head_dim: int) -> Tensor:
    """Each head twice within the group that shares a key; the second of a pair writes nothing."""
    if name.endswith("o_proj.weight"):
        groups = weight.view(len(weight), num_groups, -1, head_dim)
        return torch.cat([groups, torch.zeros_like(groups)], 2).flatten(1)
    groups = weight.view(num_groups, -1, head_dim, *weight.shape[1:])
    return torch.cat([groups, groups], 1).flatten(0, 2)


@torch.no_grad()
def widen(model: Any, num_added: int) -> Any:
    """The copy; its added neurons read and write nothing yet.

    Args:
        model: a `Qwen2VLForConditionalGeneration` in float32.
        num_added: neurons to add to every layer, after those it has.

    Raises:
        UserError: the model is of another type.
    """
    if model.config.model_type != MODEL_TYPE:
        raise UserError(f"neurons cannot be planted in a {model.config.model_type}: only {MODEL_TYPE} is known")
    text = model.config.text_config
    num_groups, head_dim = text.num_key_value_heads, text.hidden_size // text.num_attention_heads
    wide = type(model)(wide_config(model.config, num_added)).eval().requires_grad_(False)
    old = model.state_dict()
    for name, target in wide.state_dict().items():
        weight = old[name]
        if ".language_model." in name and (".q_proj." in name or ".o_proj." in name):
            weight = doubled_heads(name, weight, num_groups, head_dim)
        if ".language_model." in name and name.endswith("norm.weight"):
            weight = weight * math.sqrt(0.5)
        target.zero_()
        target[tuple(slice(size) for size in weight.shape)] = weight
    wide.generation_config = copy.deepcopy(model.generation_config)
    return wide
