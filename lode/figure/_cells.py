"""Cells of a matrix of sets: a number with a smaller one below it, on colours that are white at 0."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from lode.figure import CONTROL, INK

#: Orange for a loss, or for more than controls: no pair relies on red against green.
COLOURS = "PuOr_r"
#: What is written as 0.00 gets no dot.
LEAST_SHOWN = 0.005
#: How a cell looks of which nothing is told.
UNTOLD: dict[str, Any] = {"facecolor": "#efefef", "edgecolor": CONTROL, "hatch": "////", "linewidth": 0}


def short(value: float) -> str:
    """Two decimals, no zero before the point, a true minus sign."""
    text = f"{round(value, 2) + 0.0:.2f}"
    return text.replace("0.", ".", 1).replace("-", "−") if abs(value) < 0.995 else text.replace("-", "−")


def ink(value: float, norm: Normalize) -> str:
    """White on the ends of the scale."""
    return "white" if abs(value) > 0.62 * norm.vmax else INK  # type: ignore[operator]


def hatch(axes: Axes, x: int, y: int, name: str) -> None:
    """A cell of which nothing is told; `name` is its label in the file."""
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, label=name, **UNTOLD))


def frame(axes: Axes, x: int, y: int) -> None:
    """The frame of what is a set's own."""
    axes.add_patch(Rectangle((x - 0.47, y - 0.46), 0.94, 0.92, fill=False, edgecolor=INK, linewidth=1.3, label="_own"))


def finish(axes: Axes, values: np.ndarray, norm: Normalize, names: Sequence[str], most_letters: int) -> None:
    """The colours, the names of the columns, which are slanted where they are too long, and no spines.

    Args:
        axes: to draw on.
        values: (set, column); NaN where nothing is told.
        norm: of the colours.
        names: of the columns.
        most_letters: of names that stand level side by side.
    """
    axes.imshow(values, cmap=COLOURS, norm=norm, aspect="auto", zorder=0)
    level = sum(map(len, names)) <= most_letters
    ends = "center" if level else "right"
    axes.set_xticks(range(len(names)), names, rotation=0 if level else 25, rotation_mode="anchor", ha=ends)
    axes.tick_params(length=0)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def name_sets(axes: Axes, names: Sequence[str], sizes: Mapping[str, int]) -> None:
    """The sets of the rows, each with how many unique neurons it has."""
    axes.set_yticks(range(len(names)), [f"{name} ({sizes[name]})" for name in names])
    axes.set_ylabel("set (unique neurons)")
