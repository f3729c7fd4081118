"""What a selection finds for each group at each site, and what it finds where groups do not differ.

A row of panels a selection and site. Left, neurons: the real set in the colour of its group, and in grey how many each
null scores as high as the lowest of that set; of permuted labels the mean of draws with their 95 % range; an outline
where the real scores tie, to as many as are so high. Right, the overlap of each null's set with the real one. Beside
each name exp(H), the effective groups of its neurons. A selector that takes a fixed share of all neurons finds as many
under every null, so how many a null chooses is not drawn: two halves of one group, and selectors whose scores mean
nothing in another table, have no mark on the left. It does not tell what a neuron is for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lode.figure import CONTROL, INK, WIDTH, Looks, Table, blocks, heading
from lode.statistics.domains import permutation_range

Row = Mapping[str, Any]
#: What is drawn of each null, in order: its colour and marker; darker where less is changed.
NULLS = {
    "same_prompt": ("#4d4d4d", "s"),
    "blank": ("#7a7a7a", "D"),
    "permuted": (CONTROL, "o"),
    "halves": ("#c9c9c9", "^"),
}
REAL = "none"


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of panels for every set_nulls table and site."""
    parts = [
        (f"{heading(table.keys)} · {site}", [row for row in rows if row["site"] == site])
        for table in tables["set_nulls"]
        for rows in [table.data.to_pylist()]
        for site in dict.fromkeys(row["site"] for row in rows)
    ]
    heights = [0.55 + 0.34 * len({row["group"] for row in rows}) for _, rows in parts]
    figure = Figure(figsize=(WIDTH, 0.6 + sum(heights)), layout="constrained")
    for part, (_, rows) in zip(blocks(figure, [title for title, _ in parts], heights), parts, strict=True):
        counts, overlap = part.subplots(1, 2, sharey=True, width_ratios=(1.5, 1))
        _draw_counts(counts, rows, looks)
        _draw_overlap(overlap, rows, looks)
    shown = [null for null in NULLS if any(row["null"] == null for _, rows in parts for row in rows)]
    handles = [figure.axes[0].plot([], [], NULLS[null][1], color=NULLS[null][0])[0] for null in shown]
    figure.legend(handles, [null.replace("_", " ") for null in shown], loc="outside lower center", ncols=len(shown))
    return figure


def _draw_counts(axes: Axes, rows: Sequence[Row], looks: Looks) -> None:
    names = looks.in_order(row["group"] for row in rows)
    labels = []
    for place, name in enumerate(names):
        (real,) = _of(rows, name, REAL)
        axes.barh(place, real["num_neurons"], 0.72, color=looks.colour(name), alpha=0.6, zorder=1)
        tied = real["num_as_good"] or 0
        if tied > real["num_neurons"]:
            axes.barh(place, tied, 0.72, fill=False, edgecolor=looks.colour(name), linewidth=0.8, zorder=1)
        of_groups = f"exp(H) {real['effective_groups']:.2f} of {real['num_groups']}"
        labels.append(f"{name}\n{of_groups if real['num_neurons'] else 'empty'}")
        _draw_nulls(axes, rows, name, place, "num_as_good")
    axes.set_yticks(range(len(names)), labels)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(-0.02 * axes.get_xlim()[1])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("neurons: of the set (bar), as good under a null (marks)", color=INK)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def _draw_overlap(axes: Axes, rows: Sequence[Row], looks: Looks) -> None:
    for place, name in enumerate(looks.in_order(row["group"] for row in rows)):
        _draw_nulls(axes, rows, name, place, "jaccard")
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("overlap with the real set [Jaccard index]", color=INK)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.grid(axis="x")


def _draw_nulls(axes: Axes, rows: Sequence[Row], name: str, place: int, column: str) -> None:
    """One mark a null, each at a height of its own within the row of the group; none where the null says nothing."""
    for null, height in zip(NULLS, np.linspace(-0.27, 0.27, len(NULLS)), strict=True):
        found = _of(rows, name, null)
        values = [float(row[column]) for row in found if row[column] is not None and np.isfinite(row[column])]
        if not values or not found[0]["num_real"]:
            continue
        colour, marker = NULLS[null]
        if len(values) > 1:
            axes.plot(permutation_range(values), [place + height] * 2, color=colour, linewidth=1.4, zorder=2)
        axes.plot(np.mean(values), place + height, marker, color=colour, markersize=4.5,
                  markeredgecolor="white", markeredgewidth=0.5, zorder=3)  # fmt: skip


def _of(rows: Sequence[Row], name: str, null: str) -> list[Row]:
    return [row for row in rows if (row["group"], row["null"]) == (name, null)]
