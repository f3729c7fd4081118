"""Where in depth sets sit: neurons in each layer, a row a set and a column a normalisation.

In grey, what 95 % of uniform draws of as many neurons have; the vertical line is the centre of mass, with its interval
over selections again from resampled shards; dotted, the middle. Over each panel what it says alone, beside each set
what may be said of it: shallow or deep only where every normalisation says so. Sets of a selection that reads no
importance stand side by side. Small dots: the share of each layer in the sum of all scores, on the scale of the counts,
where scores are amounts. It does not tell which layers do more.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lode.engine.tables import label
from lode.figure import CONTROL, INK, MUTED, WIDTH, Looks, Table, grid_columns, heading
from lode.table.neurons import NEURONS

Row = Mapping[str, Any]
SIDES = {-1: "shallow", 0: "neither", 1: "deep"}
#: Inches: of a heading, of a row of panels, of what stands below them all, and left of them. A layout that is solved
#: for differs in its last digits from run to run, and so would the names of the clips in the file.
HEADING, PANEL, BOTTOM, LEFT = 0.3, 1.1, 0.32, 0.72
#: What a panel says beside its set where there is one normalisation alone.
UNREAD = {"captured": " as captured"}


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One grid of panels for every profiles table and site."""
    parts = [
        (f"{heading(table.keys)} · {site}", [row for row in rows if row["site"] == site])
        for table in tables["profiles"]
        for rows in [table.data.to_pylist()]
        for site in dict.fromkeys(row["site"] for row in rows)
    ]
    grids = [(title, _grid(rows, looks)) for title, rows in parts]
    height = BOTTOM + sum(HEADING + PANEL * len(grid) for _, grid in grids)
    figure, top = Figure(figsize=(WIDTH, height)), height
    for title, grid in grids:
        figure.text(0.01, 1 - (height - top + 0.1) / height, title, va="top", fontsize=8.5, fontweight="bold")
        top -= HEADING
        for place, panels in enumerate(grid):
            _draw_row(figure, panels, top, looks, lowest=place == len(grid) - 1)
            top -= PANEL
    figure.supxlabel(label(NEURONS, "layer"), fontsize=8, y=0.08 / height)
    return figure


def _grid(rows: Sequence[Row], looks: Looks) -> list[list[Row]]:
    """The panels of a part: a row a set, or, where there is one normalisation alone, sets side by side."""
    names = looks.in_order(row["set_name"] for row in rows)
    by_set = [[row for row in rows if row["set_name"] == name] for name in names]
    if len(by_set[0]) > 1:
        return by_set
    width = grid_columns(len(names))
    single = [row for of_set in by_set for row in of_set]
    return [single[start : start + width] for start in range(0, len(single), width)]


def _draw_row(figure: Figure, panels: Sequence[Row], top: float, looks: Looks, lowest: bool) -> None:
    """Panels side by side, on one scale.

    Args:
        figure: the whole one.
        panels: their rows of the table; of one set under several normalisations, or of several sets.
        top: where the row begins, in inches from the bottom.
        looks: of sets.
        lowest: whether the layers are labelled.
    """
    several = len({row["normalisation"] for row in panels}) > 1
    step = (WIDTH - LEFT) / max(len(panels), 3)
    highest = max(1, *(count for row in panels for count in [*row["counts"], *row["uniform_high"]]))
    for place, row in enumerate(panels):
        box = (LEFT + place * step, top - PANEL + 0.2, step - 0.12, PANEL - 0.42)
        across, up = WIDTH, figure.get_figheight()
        axes = figure.add_axes((box[0] / across, box[1] / up, box[2] / across, box[3] / up))
        if not place:
            axes.set_ylabel("neurons", fontsize=6.5)
        axes.set_ylim(0, 1.05 * highest)
        _draw_panel(axes, row, looks.colour(row["set_name"]))
        axes.tick_params(labelleft=not place, labelbottom=lowest)
        side = SIDES[row["side"]]
        of_set = f"{row['set_name']}: {side}{UNREAD.get(row['normalisation'], '')}"
        axes.set_title(f"{row['normalisation']}: {side}" if several else of_set, loc="left", fontsize=7)
        if several and not place:
            says = f"{row['set_name']}\n{row['claim'].replace('_', ' ')}"
            middle = (box[1] + box[3] / 2) / up
            figure.text(0.026, middle, says, ha="center", va="center", rotation=90, fontsize=7.5, fontweight="bold")


def _numbered(layers: Sequence[int], place: float, _position: int | None = None) -> str:
    """What number the layer at a place has in the model: those that cannot matter have no place."""
    return str(layers[int(place)]) if place in range(len(layers)) else ""


def _draw_panel(axes: Axes, row: Row, colour: str) -> None:
    layers, counts = np.arange(len(row["counts"])), np.array(row["counts"])
    axes.bar(layers, counts, width=0.8, color=colour, zorder=1)
    edges = np.append(layers - 0.5, layers[-1] + 0.5)
    low, high = row["uniform_low"], row["uniform_high"]
    axes.stairs(high, edges, baseline=low, fill=True, color=CONTROL, alpha=0.5, zorder=0)
    for edge in (low, high):
        axes.stairs(edge, edges, baseline=None, color=MUTED, linewidth=0.6, zorder=2)
    if not counts.sum():
        axes.text(0.5, 0.5, "empty", transform=axes.transAxes, ha="center", va="center", color=MUTED, fontsize=7)
    if row["mass"] is not None:
        axes.plot(layers, np.array(row["mass"]) * counts.sum(), ".", color=INK, markersize=2.5, zorder=3)
    if np.isfinite(row["centre"]):
        axes.axvline(row["expected"], color=MUTED, linestyle=":", linewidth=1, zorder=2)
        axes.axvline(row["centre"], color=INK, linewidth=1, zorder=3)
        axes.axvspan(row["interval_low"], row["interval_high"], color=INK, alpha=0.18, linewidth=0, zorder=2)
    axes.set_xlim(-0.7, len(layers) - 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(partial(_numbered, row["layers"])))
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y")
