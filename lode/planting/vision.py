"""A copy of a Qwen2-VL with room for neurons in its picture encoder, or in the projector behind it.

The config of the encoder allows only whole multiples, so there is room for many at once: a layer of the encoder becomes
wider by one width of its residual stream (`mlp_ratio`), and the projector, which is as wide as what it reads, by as
many neurons as it has, as the encoder's residual stream becomes twice as wide. Every coordinate of it then occurs
twice, which LayerNorm, the mean and variance being the same, does not notice; what reads it halves its weights, and
every attention head occurs twice. The language model stays as it was, and the copy computes the same up to rounding.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lode.engine.errors import UserError
from lode.model.adapter import Adapter, find_parts
from lode.planting.wide import MODEL_TYPE


@dataclass(frozen=True)
class Room:
    """A model with free neurons at a site, which read and write nothing yet.

    Attributes:
        adapter: the copy.
        first: by layer of the site the linear map before the activations.
        num_before: neurons of each layer that were there; the others are free.
    """

    adapter: Adapter
    first: tuple[nn.Linear, ...]
    num_before: int


def with_room(adapter: Adapter, site: str) -> Room:
    """The copy of a model with room at a site.

    Args:
        adapter: a Qwen2-VL in float32.
        site: in the blocks of its picture encoder, or in its projector.

    Raises:
        UserError: the model is of another type, or the site is neither.
    """
    model_type = adapter.model.config.model_type
    if model_type != MODEL_TYPE:
        raise UserError(f"neurons cannot be planted in a {model_type}: only {MODEL_TYPE} is known")
    visual, place = adapter.model.model.visual, adapter.sites[site].activation
    if place == tuple(block.mlp.act for block in visual.blocks):
        wide = copied(adapter.model, mlp_ratio=visual.config.mlp_ratio + 1)
        first = tuple(block.mlp.fc1 for block in wide.model.visual.blocks)
    elif place == (visual.merger.mlp[1],):
        wide = copied(adapter.model, double=True, mlp_ratio=-(-visual.config.mlp_ratio // 2))
        first = (wide.model.visual.merger.mlp[0],)
    else:
        raise UserError(
            f"planting.site = {site}: expected lm_gate, or a site in all blocks of the picture encoder or in its "
            f"projector; this one is of {adapter.sites[site].num_layers} {type(place[0]).__name__} elsewhere"
        )
    return Room(find_parts(adapter.config, wide, adapter.processor), first, adapter.sites[site].widths[0])


@torch.no_grad()
def copied(model: Any, mlp_ratio: int, double: bool = False) -> Any:
    """The copy: layers of the encoder of another width, its residual stream twice as wide where asked for.

    Args:
        model: a `Qwen2VLForConditionalGeneration`.
        mlp_ratio: how many times as wide as its residual stream a layer of the encoder is.
        double: whether that becomes twice as wide.
    """
    config = copy.deepcopy(model.config)
    config.vision_config.mlp_ratio = mlp_ratio
    if double:
        config.vision_config.embed_dim *= 2
        config.vision_config.num_heads *= 2
    wide = type(model)(config).eval().requires_grad_(False)
    old = model.state_dict()
    for name, target in wide.state_dict().items():
        weight = old[name]
        if double and ".visual." in name:
            weight = doubled(name, weight, model.config.vision_config.embed_dim)
        target.zero_()
        target[tuple(slice(size) for size in weight.shape)] = weight
    wide.generation_config = copy.deepcopy(model.generation_config)
    return wide


def doubled(name: str, weight: Tensor, width: int) -> Tensor:
    """A weight of the encoder for a residual stream in which all coordinates occur twice, one after the other.

    Args:
        name: of the parameter.
        weight: as it was.
        width: of the residual stream as it was.
    """
    parts = name.split(".")
    merged = "merger" in parts and "mlp" in parts
    if not merged and parts[-2] != "fc1":  # what writes to the stream, or to heads, writes twice
        blocks = weight.unflatten(0, (-1, width))
        weight = torch.cat([blocks, blocks], 1).flatten(0, 1)
    in_block = parts[-2] in ("qkv", "proj", "fc1") and "patch_embed" not in parts
    if parts[-1] == "weight" and (in_block or parts[-4:-1] == ["merger", "mlp", "0"]):
        columns = weight.unflatten(1, (-1, width)) / 2
        weight = torch.cat([columns, columns], 2).flatten(1)
    return weight
