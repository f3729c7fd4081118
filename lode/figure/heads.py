"""Which heads of attention does the gold answer need, and what do they look at? A row a layer, a column a head.

A block a benchmark; first the change of the gold answer's log-likelihood where a head's outputs for the last token and
the answer are their means over samples (orange: lost), then for every group of tokens the share of the head's attention
from the last token. A frame and the first letters of a group: more than half of the attention goes there, the loss is
above 0 by its interval, and it is larger than that of every other head of the layer; these others, in the same row, are
the null. Of each layer one head always loses most: a frame says which, not that it is rare.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from lode.figure import INK, WIDTH, Looks, Table, blocks
from lode.figure._traced import groups_of

Row = dict[str, Any]
#: Orange for what is lost.
_COLOURS = "PuOr"
#: How much of a group's name a frame says.
LETTERS = 4


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every heads table."""
    parts = [(" · ".join(table.keys.values()), table.data.to_pylist()) for table in tables["heads"]]
    heights = [0.75 + 0.16 * len({row["layer"] for row in rows}) for _, rows in parts]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.2), layout="constrained")
    for part, (_, rows) in zip(blocks(figure, [title for title, _ in parts], heights), parts, strict=True):
        groups = groups_of(rows, looks)
        axes = part.subplots(1, 1 + len(groups), squeeze=False, width_ratios=[1.5, *([1] * len(groups))])[0]
        _draw_deltas(axes[0], rows)
        for place, group in zip(axes[1:], groups, strict=True):
            _draw_masses(place, [row for row in rows if row["group"] == group], looks.colour(group))
    return figure


def grid_of(rows: Sequence[Row], column: str) -> np.ndarray:
    """Values of a column by layer and head."""
    found = np.full((1 + max(row["layer"] for row in rows), 1 + max(row["head"] for row in rows)), np.nan)
    for row in rows:
        found[row["layer"], row["head"]] = row[column]
    return found


def _draw_deltas(axes: Axes, rows: Sequence[Row]) -> None:
    values = grid_of(rows, "delta")
    most = max(0.1, float(np.nanmax(np.abs(values))))
    norm = Normalize(-most, most)
    _draw_grid(axes, values, norm, _COLOURS)
    axes.figure.colorbar(ScalarMappable(norm, _COLOURS), ax=axes, pad=0.02, aspect=14)
    for layer, head, label in {(row["layer"], row["head"], row["label"]) for row in rows if row["label"]}:
        axes.add_patch(Rectangle((head - 0.5, layer - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.3))
        ink = "white" if abs(values[layer, head]) > 0.6 * most else INK
        axes.text(head, layer, label[:LETTERS], ha="center", va="center", fontsize=6, color=ink)
    axes.set_title("without it [nats]", loc="left", fontsize=7.5, pad=3)
    axes.set_ylabel("layer")


def _draw_masses(axes: Axes, rows: Sequence[Row], colour: str) -> None:
    _draw_grid(axes, grid_of(rows, "mass"), Normalize(0, 1), LinearSegmentedColormap.from_list("", ["white", colour]))
    axes.set_yticks([])
    axes.set_title(rows[0]["group"], loc="left", fontsize=7.5, pad=3, color=colour)


def _draw_grid(axes: Axes, values: np.ndarray, norm: Normalize, colours: Any) -> None:
    axes.imshow(values, cmap=colours, norm=norm, aspect="auto", origin="lower", interpolation="nearest")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.tick_params(length=0)
    axes.set_xlabel("head", fontsize=7.5)
