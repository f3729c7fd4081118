"""What switching a set off does: a block a selection and intervention, a panel a benchmark, a row a set.

A marker is the score with its 95 % interval; it is filled where the set lost more than every one of its
matched controls. Grey dots are the controls of that very set, the line is the unmodified model; the row `blank` is
the unmodified model without its medium, and the dotted line the chance level (the commonest answer, always). Only
the first score of a benchmark is shown; the report lists all. It does not tell a lost modality from a
broken model: see the controls, and the empty replies in the report.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MultipleLocator

from lode.artifacts import label
from lode.errors import UserError
from lode.figure import (
    CONTROL,
    INK,
    MUTED,
    WIDTH,
    Table,
    beats_controls,
    blocks,
    colour,
    fill,
    first_controls,
    grid_columns,
    heading,
    headline_rows,
    in_order,
    marker,
)

Row = dict[str, Any]


def draw(tables: dict[str, list[Table]]) -> Figure:
    """One block of panels for every model, selection and intervention."""
    effects = {tuple(table.keys.values()): table for table in tables["effects"]}
    runs: dict[str, list[tuple[str, list[Row], dict[str, Row]]]] = {}
    for table in tables["scores"]:
        if tuple(table.keys.values()) not in effects:
            raise UserError(f"there are scores but no effects of {'/'.join(table.keys.values())}")
        drops = {
            str(row["set_name"]): row for row in first_controls(headline_rows(effects[tuple(table.keys.values())]))
        }
        runs.setdefault(heading(table.keys), []).append((table.keys["dataset"], headline_rows(table), drops))
    num_columns = grid_columns(max(map(len, runs.values())))
    num_rows = [-(-len(panels) // num_columns) for panels in runs.values()]
    num_sets = [len(_method_rows(panels)) for panels in runs.values()]
    heights = [rows * (0.55 + 0.235 * sets) + 0.25 for rows, sets in zip(num_rows, num_sets, strict=True)]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.75), layout="constrained")
    _legend(figure)
    limits = _limits([row for panels in runs.values() for _, rows, _ in panels for row in rows])
    for part, panels, rows in zip(blocks(figure, list(runs), heights), runs.values(), num_rows, strict=True):
        grid = part.subplots(rows, num_columns, sharex=True, sharey=True, squeeze=False)
        for axes, panel in zip(fill(grid, len(panels)), panels, strict=True):
            _draw_panel(axes, *panel)
            axes.set_xlim(*limits)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_major_locator(MultipleLocator(0.25 if limits[1] - limits[0] > 0.5 else 0.1))
    figure.supxlabel(label("scores", "value"), fontsize=8)
    figure.supylabel("set (unique neurons)", fontsize=8)
    return figure


def _method_rows(panels: list[tuple[str, list[Row], dict[str, Row]]]) -> list[str]:
    """The sets of a block, in the fixed order, after the unmodified model with and without its medium."""
    methods = in_order(str(row["set_name"]) for _, rows, _ in panels for row in rows if row["kind"] == "method")
    return ["clean", "blank", *methods]


def _limits(rows: list[Row]) -> tuple[float, float]:
    """One scale for all panels: tenths around all that is drawn."""
    low = min(min(row["value"], row["interval_low"]) for row in rows)
    high = max(max(row["value"], row["interval_high"]) for row in rows)
    start, end = np.floor(low * 10) / 10, np.ceil(high * 10) / 10
    return float(start) - 0.03, float(max(end, start + 0.1)) + 0.03


def _draw_panel(axes: Axes, dataset: str, rows: list[Row], drops: dict[str, Row]) -> None:
    methods = {str(row["set_name"]): row for row in rows if row["kind"] == "method"}
    reference = {str(row["kind"]): row for row in rows if row["kind"] in ("clean", "blanked", "constant")}
    clean = reference["clean"]
    names = in_order(methods)
    axes.axvline(clean["value"], color=INK, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    axes.axvline(reference["constant"]["value"], color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    for place, kind in enumerate(("clean", "blanked")):
        if kind in reference:
            _point(axes, float(place), reference[kind], INK, "|", filled=True)
    for y, name in enumerate(names, start=2):
        controls = [row for row in rows if row["kind"] == "control" and row["control_of"] == name]
        # A band below the marker; the spread within it (steps of the golden ratio) only keeps equal scores apart.
        spread = y + 0.27 + 0.36 * ((np.arange(len(controls)) * 0.618) % 1 - 0.5)
        axes.plot(
            [row["value"] for row in controls], spread, "o", markersize=2.2, color=CONTROL, markeredgewidth=0,
            alpha=0.75, label="_controls", zorder=2,
        )  # fmt: skip
        _point(axes, y - 0.13, methods[name], colour(name), marker(name), filled=beats_controls(drops[name]))
    axes.set_title(dataset, loc="left", pad=3)
    axes.set_xlabel(str(clean["score_name"]), color=MUTED, fontsize=7.5, labelpad=1)
    labels = [f"{name} ({methods[name]['num_neurons']})" for name in names]
    axes.set_yticks(range(len(names) + 2), ["clean", "blank", *labels])
    axes.set_ylim(len(names) + 1.6, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)


def _point(axes: Axes, y: float, row: Row, shade: str, symbol: str, filled: bool) -> None:
    """A score and its interval; the marker's face is empty where no control was beaten."""
    axes.plot(
        [row["interval_low"], row["interval_high"]], [y, y], color=shade, linewidth=1.1, zorder=3, label="_interval"
    )
    axes.plot(
        row["value"], y, symbol, color=shade, markersize=5 if symbol != "|" else 7,
        markerfacecolor=shade if filled else "white", markeredgewidth=1, zorder=4, label="_score",
    )  # fmt: skip


def _legend(figure: Figure) -> None:
    """One legend above all panels, never over data."""

    def dot(label: str, **style: object) -> Line2D:
        return Line2D([], [], linestyle="", label=label, **style)  # type: ignore[arg-type]

    figure.legend(
        handles=[
            dot("lost more than every control", marker="o", color=MUTED, markersize=5),
            dot("did not", marker="o", color=MUTED, markerfacecolor="white", markersize=5),
            dot("matched random control", marker="o", color=CONTROL, markeredgewidth=0, markersize=2.8),
            Line2D([], [], color=MUTED, linewidth=1.1, label="95 % interval"),
            Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (4, 2)), label="clean"),
            Line2D([], [], color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), label="chance"),
        ],
        loc="outside upper center",
        ncols=6,
        columnspacing=1.4,
        handletextpad=0.5,
        handlelength=1.6,
    )
