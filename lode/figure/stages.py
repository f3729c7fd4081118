"""Do the tokens of a group go through three stages of entropy, and more so than under the nulls?

A row a group of tokens of a benchmark, a panel a contrast (docs/methods.md 7.2); the mark is its mean with its 95 %
interval, in grey that under every null. Right of each contrast whether what is claimed of it holds, beside 0 and, of
the fall, beside each null (a cross: it is not larger than there). The last panel shows the two states where the
mean curve bends with their 95 % intervals, hollow where a straight line does as well. It does not tell why.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lode.figure import CONTROL, INK, MUTED, WIDTH, Looks, Table
from lode.figure._traced import CLEAN, groups_of
from lode.statistics.change_points import BENT

Row = Mapping[str, Any]
#: What is claimed of each contrast.
CLAIMS = {
    "first": "first step\n(above the middle's)",
    "middle": "middle, a layer\n(below 0, below nulls)",
    "last": "last step\n(above 0)",
    "rise": "end less lowest\n(above 0)",
}
NONE, ALL = "none", "three_stages"
NO, UNTOLD = "no", "cannot_be_told"
#: Whether a null's fall is exceeded.
MARKS = {"yes": "o", "no": "x", "cannot_be_told": "s", "not_asked": "o"}


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of panels for every stages table."""
    parts = [(" · ".join(table.keys.values()), table.data.to_pylist()) for table in tables["stages"]]
    bends = {" · ".join(table.keys.values()): table.data.to_pylist() for table in tables["change_points"]}
    heights = [0.75 + 0.38 * len(groups_of(rows, looks)) for _, rows in parts]
    figure = Figure(figsize=(WIDTH, 0.3 + sum(heights)), layout="constrained")
    grid = figure.subplots(len(parts), len(CLAIMS) + 1, squeeze=False, height_ratios=heights)
    for of_row, (title, rows) in zip(grid, parts, strict=True):
        names = groups_of(rows, looks)
        for axes, contrast in zip(of_row, CLAIMS, strict=False):
            _draw_panel(axes, rows, names, contrast, looks)
            axes.set_title(f"{title if contrast == 'first' else ''}\n{CLAIMS[contrast]}", loc="left", fontsize=7)
        _draw_bends(of_row[-1], bends[title], names, looks)
        of_row[0].set_yticks(range(len(names)), [f"{name}\nthree stages: {_said(rows, name)}" for name in names])
    figure.supxlabel("entropy [nats]; grey: under nulls, a cross where the fall is not larger than theirs", fontsize=8)
    return figure


def _draw_bends(axes: Axes, rows: Sequence[Row], names: Sequence[str], looks: Looks) -> None:
    """Where mean curves bend, a row a group; nothing where it cannot be told."""
    variants = list(dict.fromkeys(row["variant"] for row in rows if row["variant"] != CLEAN))
    heights = dict(zip(variants, np.linspace(-0.3, 0.3, max(len(variants), 1)), strict=False))
    for row in rows:
        if row["first_break"] is None:
            continue
        clean, place = row["variant"] == CLEAN, names.index(row["group"]) + heights.get(row["variant"], 0.0)
        colour = looks.colour(row["group"]) if clean else CONTROL
        face = colour if row["verdict"] == BENT else "white"
        for which, beside in (("first", -0.06), ("second", 0.06)):
            at, ends = row[f"{which}_break"], [row[f"{which}_low"], row[f"{which}_high"]]
            marker = looks.marker(row["group"]) if clean else "o"
            axes.plot(ends, [place + beside] * 2, color=colour, linewidth=1.6 if clean else 0.6, zorder=2 + clean)
            axes.plot(at, place + beside, marker, color=colour, markerfacecolor=face, markersize=5 if clean else 3,
                      zorder=3 + clean)  # fmt: skip
    axes.set(ylim=(len(names) - 0.45, -0.55), yticks=[], xlim=(0, max(row["num_states"] for row in rows) - 1))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_title("\nbends at state\n(hollow: a line does)", loc="left", fontsize=7)


def _said(rows: Sequence[Row], group: str) -> str:
    (verdict,) = (row["verdict"] for row in rows if (row["group"], row["contrast"]) == (group, ALL))
    return str(verdict).replace("_", " ")


def verdict_of(clean: Row, nulls: Sequence[Row]) -> str:
    """Whether what is claimed of a contrast holds beside 0 and beside every null that it is compared with."""
    said = {str(row["verdict"]) for row in (clean, *nulls)}
    return next((verdict for verdict in (NO, UNTOLD) if verdict in said), str(clean["verdict"]))


def _draw_panel(axes: Axes, rows: Sequence[Row], names: Sequence[str], contrast: str, looks: Looks) -> None:
    axes.axvline(0, color=MUTED, linewidth=0.6)
    for place, name in enumerate(names):
        own = [row for row in rows if (row["group"], row["contrast"]) == (name, contrast)]
        nulls = [row for row in own if row["null_name"] != NONE]
        for height, row in zip(np.linspace(-0.3, 0.3, max(len(nulls), 1)), nulls, strict=False):
            axes.plot(row["null_value"], place + height, MARKS[row["verdict"]], color=CONTROL, markersize=3.5, zorder=2)
        (clean,) = (row for row in own if row["null_name"] == NONE)
        if clean["interval_low"] is not None:
            ends = [clean["interval_low"], clean["interval_high"]]
            axes.plot(ends, [place] * 2, color=looks.colour(name), linewidth=1.6, zorder=3)
        axes.plot(clean["value"], place, looks.marker(name), color=looks.colour(name), markersize=5, zorder=4)
        axes.annotate(
            verdict_of(clean, nulls).replace("_", "\n"), (1.02, place), xycoords=("axes fraction", "data"), ha="left",
            va="center", fontsize=6.5, color=INK,
        )  # fmt: skip
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0, labelleft=contrast == "first")
    if contrast != "first":
        axes.set_yticks([])
