"""The rows of a picture's letterbox: by hand, against plain geometry in exact fractions, and against its pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lode.engine.errors import UserError
from lode.model.anyres import Tiling, real_patches, real_rows, tiling_of
from tests.families.llava import GRID, llava_next, llava_onevision
from tests.letterbox import slow_rows

#: Resolutions, side of a tile and of a patch [pixels]: of the tiny models, of LLaVA-NeXT and of LLaVA-OneVision.
SHIPPED = {
    "tiny": (GRID, 28, 14),
    "next": ([[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]], 336, 14),
    "onevision": ([[384 * down, 384 * across] for down in range(1, 7) for across in range(1, 7)], 384, 14),
}
TINY = Tiling(GRID, 28, 2)
#: Of the whole picture, and of a tile, by the patches that are real.
ALL, TOP, BOTTOM, LEFT, RIGHT = ([1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("size", "tiles"),
    [
        ((50, 80), [BOTTOM, BOTTOM, TOP, TOP]),  # 35 of 56 pixels high: 3.5 of the first and of the last 14
        ((80, 50), [RIGHT, LEFT, RIGHT, LEFT]),
        ((56, 56), [ALL] * 4),
        ((60, 64), [ALL] * 4),  # 52.5 of 56 pixels: 12.25 of the first 14 and of the last
        ((28, 56), [ALL] * 2),
        ((28, 112), [ALL] * 2),  # 14 of 28 pixels: just half of each patch
    ],
)
def test_patches_by_hand(size: tuple[int, int], tiles: list[list[int]]) -> None:
    assert real_patches(TINY, size).int().tolist() == [ALL, *tiles]


@pytest.mark.parametrize("name", SHIPPED)
def test_rows_equal_plain_geometry(name: str) -> None:
    """Of 150 sizes, from 1 : 40 to 40 : 1, with a class row and without one; a letterbox is in many."""
    resolutions, tile, patch = SHIPPED[name]
    tiling = Tiling(resolutions, tile, tile // patch)
    rng, cut = np.random.default_rng(0), 0
    for _ in range(150):
        area, shape = 10 ** rng.uniform(3, 6.5), 40 ** rng.uniform(-1, 1)
        size = (max(1, round((area * shape) ** 0.5)), max(1, round((area / shape) ** 0.5)))
        for class_row in (False, True):
            slow = slow_rows(size, resolutions, tile, patch, class_row)
            assert real_rows(tiling, [size], [True], len(slow), "m").tolist() == slow, size
        cut += not all(slow)
    assert 40 < cut < 150


@pytest.mark.parametrize(
    ("size", "lost", "patches"),
    [
        ((336, 5 * 597), 16 * 72, 4 * 576),  # five frames of LingoQA: 8.1 of 24 patches high, three tiles wide
        ((480, 640), 12 * 48, 5 * 576),  # 36 of 48 patches high
        ((1080, 1920), 20 * 48, 5 * 576),  # 27 of 48: 10.5 on each side, of which the model cuts off 10
        ((512, 512), 0, 5 * 576),
    ],
)
def test_what_llava_next_cuts_off(size: tuple[int, int], lost: int, patches: int) -> None:
    """By hand; the numbers of docs/mmneuron.md."""
    resolutions, tile, patch = SHIPPED["next"]
    real = real_patches(Tiling(resolutions, tile, tile // patch), size)
    assert (int((~real).sum()), real.numel()) == (lost, patches)


def test_rows_of_several_pictures() -> None:
    """One after the other; those that are not cut into tiles have the rows of the whole only."""
    sizes = [(50, 80), (80, 50)]
    both = slow_rows(sizes[0], GRID, 28, 14) + slow_rows(sizes[1], GRID, 28, 14)
    assert real_rows(TINY, sizes, [True, True], 40, "m").tolist() == both
    assert real_rows(TINY, sizes, [False, True], 24, "m").tolist() == [True] * 4 + both[20:]
    assert real_rows(TINY, sizes, [False, False], 10, "m").tolist() == [True] * 10


def test_a_class_row_counts_where_its_tile_shows_the_picture() -> None:
    """Nine tiles, and a picture as wide as three and as high as one: six hold nothing of it."""
    tiling = Tiling([[84, 84]], 28, 2)
    real = real_rows(tiling, [(28, 84)], [True], 50, "m").view(10, 5)
    assert real[:, 0].tolist() == [True, *[False] * 3, *[True] * 3, *[False] * 3]
    assert torch.equal(real[:, 0], real[:, 1:].all(1))
    assert torch.equal(real[:, 0], real[:, 1:].any(1))


@pytest.mark.parametrize("build", [llava_next, llava_onevision], ids=["next", "onevision"])
@pytest.mark.parametrize("size", [(50, 80), (80, 50), (60, 64), (40, 64), (64, 64), (200, 330)])
def test_pixels_of_the_letterbox_are_those_of_masked_rows(build: Callable[[], Any], size: tuple[int, int]) -> None:
    """A white picture on black padding: the share of white in the pixels that the processor gives the model."""
    model, processor = build()
    pixels = processor.image_processor(Image.new("RGB", size[::-1], "white"), return_tensors="pt")["pixel_values"][0]
    white = (pixels[:, 0] > 0).view(len(pixels), 2, 14, 2, 14)
    shown = torch.minimum(white.any(-1).float().mean(2), white.any(2).float().mean(-1))
    assert ((shown - 0.5).abs() > 0.07).all(), "a pixel more or less would matter"
    real = real_patches(tiling_of(model.config.to_dict(), "m"), size).view(-1, 2, 2)
    assert torch.equal(real, shown > 0.5)
    assert real.all() == (size in ((60, 64), (64, 64)))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"m: 21 rows, and 1 pictures in 5 tiles of 4 patches; expected a row for every"
    ):
        real_rows(TINY, [(50, 80)], [True], 21, "m")
    with pytest.raises(
        UserError, match=r"m with mask_kind: anyres: the config .* no image_grid_pinpoints and no vision_"
    ):
        tiling_of({"vision_config": {"image_size": 28}}, "m")
