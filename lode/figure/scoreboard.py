"""Which selection finds planted neurons: a block a measure and site, a panel a strength of planting, a row a selection.

A marker is the mean over plantings for one group, the line its range; the wide tick is the mean over groups, by
which the rows are ordered (average precision where planting is most obvious). It does not tell whether a selection
would find the specific neurons that a model has by nature: nobody knows those.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lode.engine.tables import meaning
from lode.figure import INK, MUTED, WIDTH, Look, Looks, Table, blocks
from lode.table.ratings import RATINGS

#: The measures shown, with what chance gives; None where it depends on the number of positives.
MEASURES = {"average_precision": None, "auroc": 0.5}

Row = dict[str, Any]


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block of panels for every measure and site."""
    rows = [row for table in tables["scoreboard"] for row in table.data.to_pylist()]
    sites = list(dict.fromkeys(row["site"] for row in rows))
    strengths = sorted({row["strength"] for row in rows}, reverse=True)
    names = {site: ordered([row for row in rows if row["site"] == site], strengths[0]) for site in sites}
    groups = [name for name in looks.in_order(row["group"] for row in rows) if name != "all"]
    of_groups = {name: looks.look(name) for name in groups}
    panels = [(measure, site) for measure in MEASURES for site in sites]
    heights = [0.45 + (0.06 + 0.1 * len(groups)) * len(names[site]) for _, site in panels]
    figure = Figure(figsize=(WIDTH, sum(height + 0.55 for height in heights) + 0.35), layout="constrained")
    _legend(figure, of_groups)
    titles = [meaning(RATINGS, measure) + (f" · {site}" if len(sites) > 1 else "") for measure, site in panels]
    for part, (measure, site) in zip(blocks(figure, titles, heights), panels, strict=True):
        grid = part.subplots(1, len(strengths), sharex=True, sharey=True, squeeze=False)
        for axes, strength in zip(grid[0], strengths, strict=True):
            key = (measure, site, strength)
            shown = [row for row in rows if (row["measure"], row["site"], row["strength"]) == key]
            _draw_panel(axes, shown, names[site], of_groups, MEASURES[measure])
            axes.set_title(f"strength {strength:g}", loc="left")
    return figure


def ordered(rows: Sequence[Row], strength: float) -> list[str]:
    """The selections, the best first."""
    means = {
        row["selection"]: row["mean"]
        for row in rows
        if (row["strength"], row["measure"], row["group"]) == (strength, "average_precision", "all")
    }
    return sorted(means, key=lambda name: (-means[name], name))


def _draw_panel(
    axes: Axes, rows: Sequence[Row], names: Sequence[str], groups: Mapping[str, Look], chance: float | None
) -> None:
    offsets = 0.56 * ((np.arange(len(groups)) + 0.5) / len(groups) - 0.5)
    cells = {(row["selection"], row["group"]): row for row in rows if row["mean"] is not None}
    for y, name in enumerate(names):
        for (group, look), offset in zip(groups.items(), offsets, strict=True):
            row = cells.get((name, group))
            if row:
                axes.plot([row["low"], row["high"]], [y + offset] * 2, color=look.colour, linewidth=1, zorder=2)
                axes.plot(row["mean"], y + offset, look.marker, color=look.colour, markersize=3.6, zorder=3)
        if (name, "all") in cells:
            mean = cells[name, "all"]["mean"]
            axes.plot([mean, mean], [y - 0.4, y + 0.4], color=INK, linewidth=1.6, zorder=4, solid_capstyle="butt")
    if chance is not None:
        axes.axvline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    axes.set_xlim(-0.02, 1.02)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)


def _legend(figure: Figure, groups: Mapping[str, Look]) -> None:
    """One legend above all panels."""
    marks = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=3.6, linewidth=1, label=name)
        for name, look in groups.items()
    ]
    mean = Line2D([], [], color=INK, marker="|", markersize=9, markeredgewidth=1.6, linestyle="", label="mean of these")
    chance = Line2D([], [], color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), label="chance")
    figure.legend(handles=[*marks, mean, chance], loc="outside upper center", ncols=len(marks) + 2)
