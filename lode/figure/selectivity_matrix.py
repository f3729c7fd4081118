"""Is a set selective? A row a mask, a column a benchmark, and in the cell the drop with its 95 % interval.

Colour is the drop, on one scale for the whole figure. A frame marks the mask's own benchmarks; a dot a drop above every
one of its matched controls, a star one that survives Holm's correction (whether any could is said below). To the right
the selectivity: the mean drop on the mask's own benchmarks minus that on the others, and in grey that of the controls,
from their mean to their largest. A mask that is damaging everywhere has a dark row and no selectivity. It does not tell
whether a benchmark measures the modality: see the scores without the medium.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from lode.figure import (
    CONTROL,
    INK,
    MUTED,
    WIDTH,
    Table,
    beats_controls,
    blocks,
    colour,
    first_controls,
    heading,
    in_order,
    marker,
)
from lode.statistics.run_verdict import is_specific
from lode.statistics.significance import smallest_holm_p

Row = dict[str, Any]
LEVEL = 0.05
_COLOURS = "PuOr_r"  # orange for a loss: no pair relies on red against green


def draw(tables: dict[str, list[Table]]) -> Figure:
    """One block of cells and one panel of selectivities for every model, selection and intervention."""
    selective = {tuple(table.keys.values()): _first(table.data.to_pylist()) for table in tables["selectivity"]}
    runs = [
        (heading(table.keys), first_controls(table.data.to_pylist()), selective[tuple(table.keys.values())])
        for table in tables["comparisons"]
    ]
    heights = [0.75 + 0.36 * len({row["set_name"] for row in rows}) for _, rows, _ in runs]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.75), layout="constrained")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=3, handletextpad=0.5, columnspacing=1.6)
    norm = _scale([row["drop"] for _, rows, _ in runs for row in rows])
    limits = _limits([row for *_, rows in runs for row in rows])
    for part, (_, rows, masks) in zip(blocks(figure, [run[0] for run in runs], heights), runs, strict=True):
        num_columns = len({row["dataset"] for row in rows})
        cells, forest = part.subplots(1, 2, width_ratios=[max(3, num_columns), 1.7], squeeze=False)[0]
        names = in_order(row["set_name"] for row in rows)
        _draw_cells(cells, names, rows, norm)
        _draw_forest(forest, names, {row["set_name"]: row for row in masks}, limits)
        bar = part.colorbar(ScalarMappable(norm, _COLOURS), ax=cells, pad=0.02, aspect=18)
        bar.set_label("drop [score]", fontsize=7)
        part.supxlabel(_attainable(rows), fontsize=7, color=MUTED, x=0.01, ha="left")
    return figure


def _first(rows: list[Row]) -> list[Row]:
    """The row of the headline kind of control for each mask."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row["set_name"], row)
    return list(found.values())


def _scale(drops: list[float]) -> Normalize:
    """White at a drop of 0, and as far to either side as the largest drop or gain."""
    most = max(0.1, *map(abs, drops))
    return Normalize(-most, most)


def _limits(rows: list[Row]) -> tuple[float, float]:
    """One scale for all selectivities: tenths around all that is drawn."""
    names = ("interval_low", "interval_high", "control_mean", "control_max")
    ends = [row[name] for row in rows for name in names if row[name] is not None] or [0.0]
    return float(np.floor(min(-0.1, *ends, 0) * 10) / 10), float(np.ceil(max(0.1, *ends, 0) * 10) / 10)


def short(value: float) -> str:
    """Two decimals, no zero before the point, a true minus sign."""
    text = f"{round(value, 2) + 0.0:.2f}"
    return text.replace("0.", ".", 1).replace("-", "−") if abs(value) < 0.995 else text.replace("-", "−")


def _draw_cells(axes: Axes, names: list[str], rows: list[Row], norm: Normalize) -> None:
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    drops = np.full((len(names), len(datasets)), np.nan)
    for row in rows:
        drops[names.index(row["set_name"]), datasets.index(row["dataset"])] = row["drop"]
    axes.imshow(drops, cmap=_COLOURS, norm=norm, aspect="auto")
    size = 7 if len(datasets) <= 6 else 5.5
    for row in rows:
        x, y = datasets.index(row["dataset"]), names.index(row["set_name"])
        shade = "white" if abs(row["drop"]) > 0.62 * norm.vmax else INK  # type: ignore[operator]
        axes.text(x, y - 0.16, short(row["drop"]) + mark(row), ha="center", va="center", fontsize=size + 1, color=shade)
        ends = f"{short(row['interval_low'])} to {short(row['interval_high'])}"
        axes.text(x, y + 0.24, ends, ha="center", va="center", fontsize=size - 0.5, color=shade)
        if row["own"]:
            axes.add_patch(Rectangle((x - 0.47, y - 0.46), 0.94, 0.92, fill=False, edgecolor=INK, linewidth=1.3))
    axes.set_xticks(range(len(datasets)), datasets, rotation=0 if len(datasets) <= 4 else 25, rotation_mode="anchor",
                    ha="center" if len(datasets) <= 4 else "right")  # fmt: skip
    sizes = {row["set_name"]: row["num_neurons"] for row in rows}
    axes.set_yticks(range(len(names)), [f"{name} ({sizes[name]})" for name in names])
    axes.set_ylabel("mask (unique neurons)")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def mark(row: Row) -> str:
    """A dot for a drop above every control, a star for one that survives Holm's correction."""
    beats = beats_controls(row)
    return " ★" if beats and row["p_holm"] < LEVEL else " •" if beats else ""


def _draw_forest(axes: Axes, names: list[str], masks: dict[str, Row], limits: tuple[float, float]) -> None:
    """The selectivity of each mask with its interval, beside its controls."""
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for y, name in enumerate(names):
        row = masks[name]
        if row["selectivity"] is None:
            axes.text(0, y, " undefined", va="center", fontsize=6.5, color=MUTED)
            continue
        if row["num_controls"]:
            axes.plot([row["control_mean"], row["control_max"]], [y + 0.2, y + 0.2], color=CONTROL, linewidth=3,
                      solid_capstyle="butt", label="_controls", zorder=2)  # fmt: skip
        ends = [row["interval_low"], row["interval_high"]]
        axes.plot(ends, [y - 0.08, y - 0.08], color=colour(name), linewidth=1.1, label="_interval", zorder=3)
        axes.plot(row["selectivity"], y - 0.08, marker(name), color=colour(name), markersize=5, zorder=4,
                  markerfacecolor=colour(name) if is_specific(row) else "white", label="_selectivity")  # fmt: skip
    axes.set_xlim(*limits)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("selectivity [score]")


def _attainable(rows: list[Row]) -> str:
    """Whether Holm's correction leaves any result within reach."""
    draws, tests = min(row["num_controls"] for row in rows), rows[0]["num_tests"]
    smallest = smallest_holm_p(draws, tests)
    enough = "" if smallest < LEVEL else f": no star can appear; {round(tests / LEVEL)} draws would allow one"
    return f"{tests} comparisons, {draws} controls each; the smallest p after Holm is {smallest:.2g}{enough}"


def _legend() -> list[Any]:
    return [
        Patch(facecolor="white", edgecolor=INK, linewidth=1.3, label="a benchmark of the mask's own"),
        Line2D(
            [], [], linestyle="", marker="$\\bullet$", color=INK, markersize=5, label="lost more than every control"
        ),
        Line2D([], [], linestyle="", marker="*", color=INK, markersize=7, label=f"and p < {LEVEL:g} after Holm"),
        Line2D([], [], color=MUTED, marker="o", markersize=5, label="selectivity, filled: specific"),
        Line2D([], [], color=MUTED, linewidth=1.1, label="95 % interval"),
        Line2D([], [], color=CONTROL, linewidth=3, label="controls: mean to largest"),
    ]
