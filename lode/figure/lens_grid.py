"""What would each layer say at each patch of one picture, and is it about what the patch shows?

A block a picture: a column a layer, from the input to the last; above the picture as it is, below in grey its nulls:
its patches in another order, and black. In each patch the likeliest word of the logit lens; the darker, the nearer the
nearest word of the picture's objects is to being said (its rank; where no objects are known, the probability of the
word). A grid that looks the same in grey is not about the picture. One picture is an illustration: `lens` says what
holds over all. Of grids of more than six columns words are left out, as nobody could read them.
"""

from collections.abc import Sequence
from functools import cache
from math import log10
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lode.engine.errors import UserError
from lode.figure import CONTROL, INK, WIDTH, Looks, Table, blocks
from lode.figure._traced import CLEAN

Row = dict[str, Any]
#: The nulls that are drawn, and how many layers.
NULLS, COLUMNS = ("shuffled", "blank"), 5
#: Of more columns than this words are not written; and how long they may be.
WIDEST, LONGEST = 6, 5
#: What stands for a character that the font has not.
UNKNOWN = "·"


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every picture of every table.

    Raises:
        UserError: no table holds a picture as a grid.
    """
    shown = [(title, rows) for table in tables["lens_tokens"] for title, rows in pictures_of(table)]
    if not shown:
        raise UserError(
            "no lens_tokens table holds a picture as a grid of patches; expected a benchmark with one picture a sample "
            "and a model whose processor says how patches lie (Qwen2-VL and its successors), with trace.num_grids of 1 "
            "or more; take out the figure lens_grid, or add such a model"
        )
    heights = [0.35 + sum(height_of(rows) for _ in variants_of(rows)) for _, rows in shown]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout=ConstrainedLayoutEngine(rect=(0.02, 0, 0.98, 1)))
    for part, (_, rows) in zip(blocks(figure, [title for title, _ in shown], heights), shown, strict=True):
        _draw_picture(part, rows, looks)
    return figure


def pictures_of(table: Table) -> list[tuple[str, list[Row]]]:
    """The patches of each picture of a table, with a title."""
    rows = [row for row in table.data.to_pylist() if row["grid_row"] is not None]
    title = " · ".join(table.keys.values())
    samples = dict.fromkeys(row["sample_id"] for row in rows)
    return [(f"{title} · {name}", [row for row in rows if row["sample_id"] == name]) for name in samples]


def variants_of(rows: Sequence[Row]) -> list[str]:
    """The picture as it is, and its nulls that were traced."""
    held = {row["variant"] for row in rows}
    return [CLEAN, *(name for name in NULLS if name in held)]


def layers_of(rows: Sequence[Row]) -> list[int]:
    """A few layers at even distances, the first and the last among them."""
    last = max(row["layer"] for row in rows)
    return sorted({round(place) for place in np.linspace(0, last, min(COLUMNS, last + 1))})


def shape_of(rows: Sequence[Row]) -> tuple[int, int]:
    """Rows and columns of a grid."""
    return 1 + max(row["grid_row"] for row in rows), 1 + max(row["grid_column"] for row in rows)


def height_of(rows: Sequence[Row]) -> float:
    """Of one row of grids [inches]."""
    height, width = shape_of(rows)
    return 0.2 + 1.05 * min(2.0, height / width)


@cache
def letters() -> frozenset[int]:
    """The characters that the font of all figures has: words of a vocabulary may be of any script."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def _draw_picture(part: SubFigure, rows: Sequence[Row], looks: Looks) -> None:
    variants, layers = variants_of(rows), layers_of(rows)
    known = any(row["object_rank"] is not None for row in rows)
    most = max([10, *(row["object_rank"] for row in rows if row["object_rank"] is not None)])
    norm: Normalize = LogNorm(1, most) if known else Normalize(0, 1)
    grid = part.subplots(len(variants), len(layers), squeeze=False)
    for of_row, variant in zip(grid, variants, strict=True):
        colour = looks.colour(rows[0]["group"]) if variant == CLEAN else CONTROL
        shades = LinearSegmentedColormap.from_list(variant, [colour, "white"] if known else ["white", colour])
        for axes, layer in zip(of_row, layers, strict=True):
            own = [row for row in rows if (row["variant"], row["layer"]) == (variant, layer)]
            _draw_grid(axes, own, known, shades, norm)
            if variant == CLEAN:
                axes.set_title(f"state {layer}", fontsize=7.5)
        of_row[0].set_ylabel("as it is" if variant == CLEAN else variant, fontsize=7.5)
    ticks = 10.0 ** np.arange(0, int(log10(most)) + 1) if known else None
    bar = part.colorbar(grid[0][0].images[0], ax=grid, fraction=0.03, ticks=ticks)
    bar.set_label("rank of the nearest object word" if known else "probability of the word", fontsize=7)


def _draw_grid(axes: Axes, rows: Sequence[Row], known: bool, shades: LinearSegmentedColormap, norm: Normalize) -> None:
    values = np.full(shape_of(rows), np.nan)
    for row in rows:
        values[row["grid_row"], row["grid_column"]] = row["object_rank"] if known else row["probabilities"][0]
    axes.imshow(values, cmap=shades, norm=norm, aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if values.shape[1] > WIDEST:
        return
    for row in rows:
        word = "".join(letter if ord(letter) in letters() else UNKNOWN for letter in row["words"][0].strip())
        said = word if len(word) <= LONGEST else f"{word[: LONGEST - 1]}…"
        size = min(6.0, 24 / values.shape[1])
        axes.text(
            row["grid_column"],
            row["grid_row"],
            said.replace("$", r"\$"),
            ha="center",
            va="center",
            fontsize=size,
            color=INK,
        )
