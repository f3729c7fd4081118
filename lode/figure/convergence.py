"""Do two groups of tokens come nearer to each other over layers? Four measures that do not say the same.

A block a benchmark, a row a pair of groups, a column a measure (docs/methods.md 7.11), each by layer: in ink with its
95 % interval of states as they are, thin of states of length 1. The grey band is what labels permuted within clusters
give, in grey too the halves of either group, which do not differ, and the same pair under every variant. The verdict of
the four together stands above each row; a measure that is at its furthest value at every state, under the variants
too, cannot move and takes no part. It does not tell why, or that what has come nearer is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from lode.engine.errors import UserError
from lode.figure import CONTROL, INK, MUTED, WIDTH, Looks, Table, blocks
from lode.figure._traced import CLEAN, DASHES, nulls_of

Row = Mapping[str, Any]
Pair = tuple[str, str]
#: What a row is called, and which way is nearer.
MEASURES = {
    "cosine": "cosine of centroids ↑",
    "energy": "energy distance ↓",
    "probe": "linear probe (area) ↓",
    "neighbours": "neighbours / chance ↑",
}
RAW, UNIT = "raw", "unit"
NAMES = {RAW: "as they are", UNIT: "of length 1"}
HALVES = (0, (1, 3))


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every convergence table that holds a pair."""
    del looks  # a pair has no colour
    parts = [(" · ".join(table.keys.values()), table.data.to_pylist()) for table in tables["convergence"]]
    parts = [part for part in parts if pairs_of(part[1])]
    if not parts:
        raise UserError(
            "no benchmark has two groups of tokens enough to compare; expected at least 20 tokens of 10 clusters of "
            "each: raise trace.max_samples and trace.reservoir, or leave the figure `convergence` out"
        )
    heights = [0.55 + 0.85 * len(pairs_of(rows)) for _, rows in parts]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
    for part, (_, rows) in zip(blocks(figure, [title for title, _ in parts], heights), parts, strict=True):
        _draw_block(part, rows)
    _legend(figure, [row for _, rows in parts for row in rows])
    return figure


def pairs_of(rows: Iterable[Row]) -> list[Pair]:
    """The pairs of two groups, in the order of the table."""
    pairs = dict.fromkeys((row["group_a"], row["group_b"]) for row in rows)
    return [pair for pair in pairs if pair[0] != pair[1]]


def line(rows: Iterable[Row], column: str, **said: str) -> tuple[np.ndarray, np.ndarray]:
    """Layers and values of the rows that say so; what is null is not a number."""
    own = [row for row in rows if all(row[name] == value for name, value in said.items())]
    own.sort(key=lambda row: int(row["layer"]))
    values = [np.nan if row[column] is None else row[column] for row in own]
    return np.array([row["layer"] for row in own]), np.array(values, dtype=np.float64)


def _draw_block(part: SubFigure, rows: Sequence[Row]) -> None:
    pairs = pairs_of(rows)
    grid = part.subplots(len(pairs), len(MEASURES), squeeze=False, sharex=True, sharey="col")
    for at, (of_pair, pair) in enumerate(zip(grid, pairs, strict=True)):
        for axes, measure in zip(of_pair, MEASURES, strict=True):
            _draw_panel(axes, [row for row in rows if row["measure"] == measure], pair)
        for axes, label in zip(of_pair, MEASURES.values(), strict=True):
            axes.set_title(f" \n{label}" if not at else " ", loc="left", fontsize=7)
        named = f"{pair[0]} – {pair[1]}  ({_said(rows, pair)})"
        above = 6 if at else 15  # points: the line that the titles leave free
        text = of_pair[0].annotate(named, (0, 1), (0, above), "axes fraction", "offset points", fontsize=7)
        text.set_in_layout(False)  # it runs over all panels, which it would push aside
    for axes in grid[-1]:
        axes.set_xlabel("state", labelpad=1)


def _said(rows: Sequence[Row], pair: Pair) -> str:
    """The verdicts of both spaces."""
    found = []
    for space in (RAW, UNIT):
        key = (CLEAN, space, *pair)
        row = next(r for r in rows if (r["variant"], r["space"], r["group_a"], r["group_b"]) == key)
        since = "" if row["verdict_layer"] is None else f" from state {row['verdict_layer']}"
        of = "" if row["num_measures"] == len(MEASURES) else f" (of {row['num_measures']})"
        found.append(f"{NAMES[space]}: {row['verdict'].replace('_', ' ')}{since}{of}")
    return "; ".join(found)


def _draw_panel(axes: Axes, rows: Sequence[Row], pair: Pair) -> None:
    key = {"space": RAW, "group_a": pair[0], "group_b": pair[1]}
    clean = {**key, "variant": CLEAN}
    layers, low = line(rows, "null_low", **clean)
    axes.fill_between(layers, low, line(rows, "null_high", **clean)[1], color=CONTROL, alpha=0.45, linewidth=0)
    for name in nulls_of(rows):
        axes.plot(*line(rows, "value", **{**key, "variant": name}), color=CONTROL, linestyle=DASHES[name], linewidth=1)
    for group in pair:
        halves = {"space": RAW, "variant": CLEAN, "group_a": group, "group_b": group}
        axes.plot(*line(rows, "value", **halves), color=CONTROL, linestyle=HALVES, linewidth=1.4)
    bottom, top = (line(rows, name, **clean)[1] for name in ("interval_low", "interval_high"))
    axes.vlines(
        layers, bottom, top, color=INK, linewidth=0.9, zorder=2
    )  # a band of ink would look like one of the null
    axes.plot(*line(rows, "value", **{**clean, "space": UNIT}), color=INK, linewidth=0.7, zorder=3)
    axes.plot(*line(rows, "value", **clean), color=INK, marker="o", markersize=3, linewidth=1.3, zorder=4)
    axes.plot(*line(rows, "position_probe", **clean), color=MUTED, linewidth=0, marker="_", markersize=5)
    if not all(row["can_move"] for row in rows if all(row[name] == value for name, value in clean.items())):
        axes.text(0.04, 0.5, "cannot move", transform=axes.transAxes, fontsize=6.5, color=INK, va="center")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y")


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    """What is drawn how."""
    axes = figure.axes[0]
    handles = [
        axes.plot([], [], color=INK, marker="o", markersize=3, linewidth=1.3)[0],
        axes.plot([], [], color=INK, linewidth=0.7)[0],
        axes.fill_between([], [], [], color=CONTROL, alpha=0.45, linewidth=0),
        axes.plot([], [], color=CONTROL, linestyle=HALVES, linewidth=1.4)[0],
        axes.plot([], [], color=MUTED, linewidth=0, marker="_", markersize=5)[0],
    ]
    names = ["states as they are", "of length 1", "labels permuted", "halves of one group", "probe of positions"]
    for name in nulls_of(rows):
        handles.append(axes.plot([], [], color=CONTROL, linestyle=DASHES[name], linewidth=1)[0])
        names.append(name.replace("_", " "))
    figure.legend(handles, names, loc="outside lower center", ncols=5)
