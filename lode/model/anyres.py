"""Which rows of a picture are not of its letterbox, for models that show pictures "at any resolution".

LLaVA-NeXT (https://llava-vl.github.io/blog/2024-01-30-llava-next/) and LLaVA-OneVision (arXiv 2408.03326) scale a
picture, its shape kept, into the best of some resolutions, pad it there on two sides, and cut that into square tiles.
Rows are those of the whole picture scaled to one tile, in which nothing is padded, then those of tile after tile, row
by row; of each its patches row by row, after one class row where the tower has it. Before the language model
`unpad_image` cuts off the patches of the padding. By its rounding a patch stays where at least half of its height and
of its width shows the picture. What a model does with those that stay (LLaVA-OneVision shrinks more than nine tiles of
them) changes nothing here: they are rows of the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor
from transformers.models.llava_next.modeling_llava_next import get_anyres_image_grid_shape, unpad_image

from lode.engine.errors import UserError


@dataclass(frozen=True)
class Tiling:
    """How a model cuts pictures.

    Attributes:
        resolutions: heights and widths of which the best for a picture is taken [pixels].
        tile: side of a tile [pixels].
        side: side of a tile [patches].
    """

    resolutions: list[list[int]]
    tile: int
    side: int


def tiling_of(config: Mapping[str, Any], what: str) -> Tiling:
    """How a model cuts pictures, by its config.

    Raises:
        UserError: the config does not say so.
    """
    vision = config.get("vision_config") or {}
    lacking = [name for name in ("image_grid_pinpoints",) if not config.get(name)]
    lacking += [f"vision_config.{name}" for name in ("image_size", "patch_size") if not vision.get(name)]
    if lacking:
        raise UserError(
            f"{what} with mask_kind: anyres: the config of this model has no {' and no '.join(lacking)}; expected "
            "those of a model that cuts pictures into tiles. Take mask_kind out of the model's YAML, or the mask"
        )
    resolutions, tile = [list(each) for each in config["image_grid_pinpoints"]], vision["image_size"]
    return Tiling(resolutions, tile, tile // vision["patch_size"])


def real_patches(tiling: Tiling, size: Sequence[int]) -> Bool[Tensor, "view patch"]:
    """Which patches of a picture are not cut off: of the whole picture all, then those of its tiles.

    Args:
        tiling: how the model cuts pictures.
        size: height and width of the picture [pixels].
    """
    rows, columns = get_anyres_image_grid_shape(tuple(size), tiling.resolutions, tiling.tile)
    tiles = torch.arange(rows * columns * tiling.side**2).view(rows, columns, tiling.side, tiling.side)
    picture = tiles.transpose(1, 2).reshape(1, rows * tiling.side, columns * tiling.side)
    real = torch.zeros(tiles.numel(), dtype=torch.bool)
    real[unpad_image(picture, tuple(size)).flatten()] = True
    return torch.cat([torch.ones((1, tiling.side**2), dtype=torch.bool), real.view(-1, tiling.side**2)])


def real_rows(
    tiling: Tiling, sizes: Sequence[Sequence[int]], cut: Sequence[bool], num_rows: int, what: str
) -> Bool[Tensor, " row"]:
    """Which rows of the pictures of one sample are of no letterbox; a class row where any patch of its view is real.

    Args:
        tiling: how the model cuts pictures.
        sizes: height and width of every picture [pixels].
        cut: whether each is cut into tiles; else it is shown as a whole only.
        num_rows: of the site.
        what: the config key, for messages.

    Raises:
        UserError: there is not one row for every patch, or one more for each whole picture and each tile.
    """
    shown = [real_patches(tiling, size)[: None if whole else 1] for size, whole in zip(sizes, cut, strict=True)]
    real = torch.cat(shown)
    if num_rows == real.numel():
        return real.flatten()
    if num_rows != real.numel() + len(real):
        raise UserError(
            f"{what}: {num_rows} rows, and {len(sizes)} pictures in {len(real)} tiles of {real.shape[1]} patches; "
            "expected a row for every patch, or one more for every tile. Fix the model's YAML"
        )
    return torch.cat([real.any(1, keepdim=True), real], dim=1).flatten()
