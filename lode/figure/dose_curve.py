"""Dose and response: what is lost over the share of neurons switched, a row a set, a column a benchmark.

A block for content (the share of the gold answer's log-likelihood above chance that is lost; it may pass 1) and a block
for stopping (nats of the end token after it), never one curve for both. Selections that differ in their ratio alone are
points of one curve, which begins at no neuron and no drop. The band is the range of the matched controls, drawn anew at
each dose; the light lines are its ends and the dark line its mean. In each panel the area under the curve (the mean
drop over doses), without a p: the sets of a curve are nested and its controls are not, so that areas of controls vary
less than that of a random curve would, and a rank among them comes out small too often. A benchmark on which
the unmodified model is not above chance is hatched. The dose is the share of *unique* neurons in the set, which for a
set of one group is less than the ratio asked for; of selections that come to the same number, the first is drawn. It
does not tell which dose to choose.
"""

import json
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from lode.engine.tables import PROVENANCE_KEY
from lode.figure import (
    CONTROL,
    INK,
    MUTED,
    WIDTH,
    Look,
    Looks,
    Table,
    blocks,
    first_controls,
    grid_columns,
    outcome_rows,
)
from lode.statistics.dose import dose_area

Row = dict[str, Any]
Curve = list[tuple[float, Row, dict[int, float]]]  # dose [%], the effect, and drops of the controls by draw
#: What is lost, by outcome, and its unit.
LOST = {"content": "content lost [share]", "stopping": "stopping lost [nats]"}


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block of panels for every model, kind of selection and intervention."""
    parts = [
        (f"{title} · {LOST[outcome]}", panels, looks.in_order(name for name, _ in panels), columns)
        for outcome in LOST
        for title, panels in curves(tables, outcome).items()
        for columns in _columns(list(dict.fromkeys(dataset for _, dataset in panels)))
    ]
    heights = [0.3 + 1.05 * len(names) for *_, names, _ in parts]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.7), layout="constrained")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=2, handletextpad=0.5)
    for block, (_, panels, names, columns) in zip(
        blocks(figure, [part[0] for part in parts], heights), parts, strict=True
    ):
        grid = block.subplots(len(names), len(columns), sharex="row", sharey=True, squeeze=False)
        for line, name in zip(grid, names, strict=True):
            for axes, dataset in zip(line, columns, strict=True):
                _draw_panel(axes, looks.look(name), panels[name, dataset])
            line[0].set_ylabel(name, color=looks.colour(name), fontweight="bold")
        for axes, dataset in zip(grid[0], columns, strict=True):
            axes.set_title(dataset, loc="left", pad=9)
    figure.supxlabel("unique neurons switched [% of all]", fontsize=8)
    figure.supylabel("lost, in the unit of its block", fontsize=8)
    return figure


def _columns(datasets: list[str]) -> list[list[str]]:
    """Benchmarks that stand side by side: at most four."""
    width = grid_columns(len(datasets))
    return [datasets[start : start + width] for start in range(0, len(datasets), width)]


def curves(tables: dict[str, list[Table]], outcome: str) -> dict[str, dict[tuple[str, str], Curve]]:
    """By title of a family, by (set, benchmark): its points, the dose rising."""
    selections = {tuple(table.keys.values()): _record(table) for table in tables["neurons"]}
    scores = {tuple(table.keys.values()): table for table in tables["scores"]}
    families: dict[str, dict[tuple[str, str], Curve]] = {}
    for table in tables["effects"]:
        record = selections[table.keys["model"], table.keys["selection"]]
        panels = families.setdefault(_title(table, record["config"]["selection"]), {})
        controls = outcome_rows(scores[tuple(table.keys.values())], outcome)
        for row in first_controls(outcome_rows(table, outcome)):
            drops = {
                other["control_draw"]: row["clean"] - other["value"]
                for other in controls
                if (other["control_of"], other["control_kind"]) == (row["set_name"], row["control_kind"])
            }
            dose = 100 * row["num_neurons"] / record["num_total"]
            panels.setdefault((row["set_name"], row["dataset"]), []).append((dose, row, drops))
    for panels in families.values():
        for points in panels.values():
            points.sort(key=lambda point: point[0])
    return families


def unit_of(row: Row) -> float:
    """What a drop is divided by: content by what there is to lose, which makes it a share."""
    return float(row["clean"] - row["chance"]) if row["outcome"] == "content" else 1.0


def _record(table: Table) -> Row:
    """The provenance of a neurons table: the config of its selection and the number of all neurons."""
    return json.loads(table.data.schema.metadata[PROVENANCE_KEY])


def _title(table: Table, selection: Row) -> str:
    """What the selections of one curve have in common: all but the ratio."""
    options = [str(value) for value in selection["options"].values()]
    parts = (selection["plugin"], selection["group_split"], *(selection["groups"] or ()), *options)
    return " · ".join((table.keys["model"], " ".join(parts), table.keys["intervention"]))


def _draw_panel(axes: Axes, look: Look, points: Curve) -> None:
    points = [point for place, point in enumerate(points) if not place or point[0] > points[place - 1][0]]
    if not all(row["measurable"] for _, row, _ in points):
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor="#efefef", edgecolor=CONTROL,
                                 hatch="////", linewidth=0, label="_unmeasurable"))  # fmt: skip
        return
    doses = np.array([dose for dose, *_ in points])
    units = np.array([unit_of(row) for _, row, _ in points])
    drops = np.array([row["drop"] for _, row, _ in points]) / units
    x = np.concatenate([[0], doses])
    draws = sorted(set.intersection(*(set(of) for *_, of in points)))
    controls = np.array([[of[draw] for *_, of in points] for draw in draws]).reshape(len(draws), len(doses)) / units
    axes.axhline(0, color=MUTED, linewidth=0.6, zorder=1)
    if draws:
        ends = [np.concatenate([[0], pick]) for pick in (controls.min(0), controls.max(0), controls.mean(0))]
        axes.fill_between(x, ends[0], ends[1], color=CONTROL, alpha=0.35, linewidth=0, zorder=2)
        axes.plot(x, ends[2], color=CONTROL, linewidth=1.1, label="_controls", zorder=3)
    low, high = (np.array([row[f"interval_{end}"] for _, row, _ in points]) / units for end in ("low", "high"))
    axes.vlines(doses, low, high, color=look.colour, linewidth=0.9, zorder=4)
    axes.plot(x, np.concatenate([[0], drops]), color=look.colour, linewidth=1.1, zorder=5)
    axes.plot(doses, drops, look.marker, color=look.colour, markersize=3.5, label="_drop", zorder=6)
    area = float(dose_area(doses, drops))
    found = f"area {round(area, 2) + 0.0:.2f}".replace("-", "−")
    axes.annotate(found, (0, 1), (1, 1), "axes fraction", "offset points", fontsize=6.5, color=INK)
    axes.grid(axis="y")
    axes.set_xlim(left=0)
    axes.tick_params(labelbottom=True)


def _legend() -> list[Any]:
    return [
        Line2D([], [], color=MUTED, marker="o", markersize=3.5, linewidth=1.1, label="set, with 95 % intervals"),
        Line2D([], [], color=CONTROL, linewidth=1.1, label="matched controls, mean"),
        Patch(facecolor=CONTROL, alpha=0.35, label="smallest to largest control"),
        Patch(facecolor="#efefef", edgecolor=CONTROL, hatch="////", linewidth=0, label="clean is not above chance"),
    ]
