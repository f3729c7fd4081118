"""What figures of traces share: panels by benchmark, lines of groups, and the nulls in grey."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lode.figure import CONTROL, MUTED, WIDTH, Looks, Table

Row = Mapping[str, Any]
CLEAN = "clean"
#: How a null is drawn: always in grey, so that they differ by the dash.
DASHES = {
    "blank": (0, (1, 1)),
    "silence": (0, (1, 1)),
    "noise": (0, (4, 1.5)),
    "shuffled": (0, (4, 1.5, 1, 1.5)),
    "reversed": (0, (4, 1.5, 1, 1.5)),
    "permuted_weights": (0, (8, 2)),
}
#: Names beside each other in a legend.
MOST_COLUMNS = 4


def groups_of(rows: Iterable[Row], looks: Looks, last: Sequence[str] = ("last", "sink")) -> list[str]:
    """The groups of rows, in the order of their look; the token itself and sinks at the end."""
    found = {row["group"] for row in rows}
    return [*looks.in_order(found - set(last)), *(name for name in last if name in found)]


def nulls_of(rows: Iterable[Row]) -> list[str]:
    """The variants of rows but clean, in the order that they were traced in."""
    return [name for name in dict.fromkeys(row["variant"] for row in rows) if name != CLEAN]


def line(rows: Sequence[Row], group: str, variant: str, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Layers and values of a group under a variant; what is null is not a number."""
    own = sorted((r for r in rows if (r["group"], r["variant"]) == (group, variant)), key=lambda row: row["layer"])
    values = [np.nan if row[column] is None else row[column] for row in own]
    return np.array([row["layer"] for row in own]), np.array(values, dtype=np.float64)


def draw_nulls(axes: Axes, rows: Sequence[Row], group: str, column: str, nulls: Sequence[str]) -> None:
    """The lines of a group under every null, in grey."""
    for name in nulls:
        axes.plot(*line(rows, group, name, column), color=CONTROL, linestyle=DASHES[name], linewidth=1.1, zorder=1)


def draw_clean(
    axes: Axes, rows: Sequence[Row], group: str, columns: tuple[str, str, str], colour: str, marker: str
) -> None:
    """The line of a group as it is, with its interval.

    Args:
        axes: where.
        rows: of one table.
        group: of tokens.
        columns: of the value, and of the ends of its interval.
        colour, marker: of the group.
    """
    layers, values = line(rows, group, CLEAN, columns[0])
    low, high = (line(rows, group, CLEAN, end)[1] for end in columns[1:])
    axes.fill_between(layers, low, high, color=colour, alpha=0.2, linewidth=0, zorder=2)
    axes.plot(layers, values, color=colour, marker=marker, markersize=3, linewidth=1.3, zorder=3)


def panels(
    tables: Sequence[Table],
    groups: Callable[[Sequence[Row]], list[str]],
    draw: Callable[[Axes, Sequence[Row], str], None],
    height: float = 1.75,
) -> tuple[Figure, list[Axes]]:
    """A row a table, a column a group, on one scale a row.

    Args:
        tables: one or more, each of a model and a benchmark.
        groups: which of its rows' groups have a panel.
        draw: what is drawn for a group.
        height: of a row [inches].
    """
    parts = [(" · ".join(table.keys.values()), table.data.to_pylist()) for table in tables]
    widest = max(len(groups(rows)) for _, rows in parts)
    figure = Figure(figsize=(WIDTH, 0.45 + height * len(parts)), layout="constrained")
    grid = figure.subplots(len(parts), widest, squeeze=False, sharey="row")
    for of_row, (title, rows) in zip(grid, parts, strict=True):
        names = groups(rows)
        for axes, name in zip(of_row, names, strict=False):
            draw(axes, rows, name)
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.set_title(f"{title}\n{name}" if name == names[0] else f"\n{name}", loc="left", fontsize=7.5)
            axes.grid(axis="y")
        for unused in of_row[len(names) :]:
            unused.set_visible(False)
    return figure, [axes for axes in grid.flat if axes.get_visible()]


def legend(figure: Figure, nulls: Sequence[str], colour: str = MUTED, more: Mapping[str, Artist] | None = None) -> None:
    """What is in grey: which dash is which null.

    Args:
        figure: all panels are drawn.
        nulls: their names.
        colour: of their lines.
        more: what else the panels hold, by name: drawn in a panel already, or made for the legend.
    """
    axes = figure.axes[0]
    handles = [axes.plot([], [], color=colour, linestyle=DASHES[name], linewidth=1.1)[0] for name in nulls]
    names = [*(name.replace("_", " ") for name in nulls), *(more or {})]
    columns = max(1, min(len(names), MOST_COLUMNS))
    figure.legend([*handles, *(more or {}).values()], names, loc="outside lower center", ncols=columns)


def rows_by_layer(
    tables: Sequence[Table], looks: Looks, draw: Callable[[Axes, Sequence[Row], str], None], axis: str, label: str
) -> Figure:
    """A row of panels for every table, a panel a group that has tokens, with the nulls of all of them told below.

    Args:
        tables: one or more, each of a model and a benchmark.
        looks: in which order groups come.
        draw: what is drawn for a group.
        axis: what the layer axis of each panel is called.
        label: what is drawn, with its unit.
    """
    figure, shown = panels(tables, lambda rows: groups_of((row for row in rows if row["num_tokens"]), looks), draw)
    for axes in shown:
        axes.set_xlabel(axis)
    figure.supylabel(label, fontsize=8)
    legend(figure, list(dict.fromkeys(name for table in tables for name in nulls_of(table.data.to_pylist()))))
    return figure
