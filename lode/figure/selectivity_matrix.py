"""Is a set selective? A row a set, a column a benchmark: above, the content that is lost, below, the stopping.

Content is the log-likelihood of the gold answer; a cell holds the share that is lost of what the unmodified model has
above chance, with its 95 % interval. A share may pass 1 (the model comes to prefer wrong answers): the colour then
stays at its end, the number tells. Stopping is the log-likelihood of an end token after the gold answer; a cell holds
nats. A benchmark on which the unmodified model is not above chance is hatched. A frame marks the set's own benchmarks;
a dot a drop of 0.005 or more above every one of its matched controls, a star one that survives Holm's correction
(whether any could is said below).

To the right the selectivity: the share lost on the set's own benchmarks minus that on the others, among that of every
control (grey ticks). The thick line is its 95 % interval, the thin one the interval that holds for all tests of the
report; the marker is filled where the verdict over the report is `specific`, a cross where it cannot be told. The
column beside it gives the smallest selectivity that could be told from none. It does not tell whether a benchmark
measures the group: see the scores without the medium.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lode.figure import (
    CONTROL,
    INK,
    MUTED,
    WIDTH,
    Looks,
    Table,
    beats_controls,
    blocks,
    first_controls,
    heading,
    outcome_rows,
)
from lode.figure._cells import COLOURS, LEAST_SHOWN, UNTOLD, finish, frame, hatch, ink, name_sets, short
from lode.statistics.significance import smallest_holm_p

Row = dict[str, Any]
LEVEL = 0.05
#: By outcome: the column that a cell shows, and what it is.
CELLS = {"content": ("share", "content lost [share]"), "stopping": ("drop", "stopping lost [nats]")}
#: Letters of names of benchmarks that stand level side by side.
_MOST_LETTERS = 40


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every model, selection and intervention: cells and selectivities of content and of stopping."""
    judged = [row for table in tables["verdicts"] for row in table.data.to_pylist()]
    runs = {heading(table.keys): (table, _of_run(judged, table)) for table in tables["comparisons"]}
    num_sets = [len(set(table.data["set_name"].to_pylist())) for table, _ in runs.values()]
    heights = [1.35 + 2 * 0.32 * sets for sets in num_sets]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.75), layout="constrained")
    comparisons = [first_controls(outcome_rows(table, outcome)) for table, _ in runs.values() for outcome in CELLS]
    figure.legend(
        handles=_legend(any(smallest_p(rows) < LEVEL for rows in comparisons)),
        loc="outside upper center",
        ncols=4,
        handletextpad=0.5,
        columnspacing=1.2,
    )
    norms = {outcome: _scale(runs.values(), outcome) for outcome in CELLS}
    limits = {o: _limits([row for _, of in runs.values() for row in of if row["outcome"] == o]) for o in CELLS}
    for part, (table, verdicts) in zip(blocks(figure, list(runs), heights), runs.values(), strict=True):
        num_columns = len(set(table.data["dataset"].to_pylist()))
        grid = part.subplots(2, 2, width_ratios=[max(3, num_columns), 1.9], squeeze=False)
        for (cells, forest), outcome in zip(grid, CELLS, strict=True):
            rows = first_controls(outcome_rows(table, outcome))
            names = looks.in_order(row["set_name"] for row in rows)
            _draw_cells(cells, names, rows, outcome, norms[outcome])
            of_sets = {row["set_name"]: row for row in verdicts if row["outcome"] == outcome}
            _draw_forest(forest, {name: of_sets[name] for name in names}, limits[outcome], looks)
            _bar(part, cells, outcome, norms[outcome])
        grid[0, 0].tick_params(labelbottom=False)
        forest.set_xlabel("selectivity [share]")
        part.supxlabel(_attainable(first_controls(outcome_rows(table, "content"))), fontsize=7, color=MUTED, x=0.01,
                       ha="left")  # fmt: skip
    return figure


def _of_run(judged: Sequence[Row], table: Table) -> list[Row]:
    """The verdicts on the sets of one run."""
    return [row for row in judged if all(row[name] == value for name, value in table.keys.items())]


def _scale(runs: Any, outcome: str) -> Normalize:
    """White at a drop of 0, and as far to either side as the largest drop or gain; a share no further than 1."""
    column = CELLS[outcome][0]
    values = [row[column] for table, _ in runs for row in outcome_rows(table, outcome) if row["measurable"]]
    most = max([0.1, *map(abs, values)])
    return Normalize(-min(most, 1.0), min(most, 1.0)) if column == "share" else Normalize(-most, most)


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    """One scale for all selectivities of an outcome: tenths around all that is drawn."""
    names = ("selectivity", "interval_low", "interval_high", "simultaneous_low", "simultaneous_high")
    ends = [row[name] for row in rows for name in names if row[name] is not None]
    ends += [value for row in rows for value in row["control_values"] or []]
    return float(np.floor(min([-0.1, *ends]) * 10) / 10), float(np.ceil(max([0.1, *ends]) * 10) / 10)


def _draw_cells(axes: Axes, names: list[str], rows: list[Row], outcome: str, norm: Normalize) -> None:
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    values = np.full((len(names), len(datasets)), np.nan)
    for row in rows:
        place = names.index(row["set_name"]), datasets.index(row["dataset"])
        if row["measurable"]:
            values[place] = row[CELLS[outcome][0]]
        _draw_cell(axes, place, row, outcome, norm)
    finish(axes, values, norm, datasets, _MOST_LETTERS)
    name_sets(axes, names, {row["set_name"]: row["num_neurons"] for row in rows})
    axes.set_title(CELLS[outcome][1], loc="left", pad=3)


def _draw_cell(axes: Axes, place: tuple[int, int], row: Row, outcome: str, norm: Normalize) -> None:
    """The drop and its interval in words, the frame of an own benchmark; hatched where there is nothing to lose."""
    y, x = place
    if row["own"]:
        frame(axes, x, y)
    if not row["measurable"]:
        hatch(axes, x, y, "_unmeasurable")
        return
    column, full = CELLS[outcome][0], row["clean"] - row["chance"]
    unit = full if column == "share" else 1.0
    shade = ink(row[column], norm)
    size = 7.0 if len(short(row[column])) <= 5 else 6.5
    said = short(row[column]) + (mark(row) if abs(row[column]) >= LEAST_SHOWN else "")
    axes.text(x, y - 0.18, said, ha="center", va="center", fontsize=size + 1, color=shade)
    ends = f"{short(row['interval_low'] / unit)} to {short(row['interval_high'] / unit)}"
    axes.text(x, y + 0.26, ends, ha="center", va="center", fontsize=size - 1.3, color=shade)


def mark(row: Row) -> str:
    """A dot for a drop above every control, a star for one that survives Holm's correction."""
    beats = beats_controls(row)
    return " ★" if beats and row["p_holm"] < LEVEL else " •" if beats else ""


def _bar(part: SubFigure, cells: Axes, outcome: str, norm: Normalize) -> None:
    """The scale of the colours; pointed where shares pass its ends."""
    extend = "both" if CELLS[outcome][0] == "share" and norm.vmax == 1 else "neither"
    part.colorbar(ScalarMappable(norm, COLOURS), ax=cells, pad=0.02, aspect=18, extend=extend)


def _draw_forest(axes: Axes, verdicts: dict[str, Row], limits: tuple[float, float], looks: Looks) -> None:
    """The selectivity of each set with its intervals, among its controls, and what could be seen.

    Args:
        axes: to draw on.
        verdicts: by set, in the order of the rows.
        limits: of the axis.
        looks: of sets.
    """
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for y, (name, row) in enumerate(verdicts.items()):
        if row["selectivity"] is None:
            axes.plot(0, y, "x", color=MUTED, markersize=5, zorder=4, label="_untold")
            continue
        values = row["control_values"]
        axes.plot(values, np.full(len(values), y + 0.24), "|", color=CONTROL, markersize=6, markeredgewidth=0.6,
                  alpha=0.7, label="_controls", zorder=2)  # fmt: skip
        if row["simultaneous_low"] is not None:
            ends = [row["simultaneous_low"], row["simultaneous_high"]]
            axes.plot(
                ends, [y - 0.1, y - 0.1], color=looks.colour(name), linewidth=0.6, label="_simultaneous", zorder=3
            )
        untold = row["verdict"] == "cannot_be_told"
        shade = MUTED if untold else looks.colour(name)
        ends = [row["interval_low"], row["interval_high"]]
        axes.plot(ends, [y - 0.1, y - 0.1], color=shade, linewidth=1.6, label="_interval", zorder=3)
        face = shade if row["verdict"] == "specific" else "white"
        symbol = "x" if untold else looks.marker(name)
        axes.plot(row["selectivity"], y - 0.1, symbol, color=shade, markersize=5, zorder=4, markerfacecolor=face,
                  label="_untold" if untold else "_selectivity")  # fmt: skip
    axes.set_xlim(*limits)
    axes.set_ylim(len(verdicts) - 0.5, -0.5)
    axes.yaxis.tick_right()
    axes.set_yticks(range(len(verdicts)), list(map(smallest_visible, verdicts.values())), color=MUTED)
    axes.tick_params(axis="y", length=0)
    axes.set_title("visible from", loc="right", fontsize=6.5, color=MUTED, pad=2)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def smallest_visible(row: Row) -> str:
    """The smallest selectivity whose interval for all tests would lie above 0; a dash where it cannot be told."""
    if row["simultaneous_low"] is None:
        return "–"
    return f"≥ {short(row['selectivity'] - row['simultaneous_low'])}"


def _attainable(rows: list[Row]) -> str:
    """Whether Holm's correction leaves any result within reach."""
    draws, tests = min(row["num_controls"] for row in rows), rows[0]["num_tests"]
    smallest = smallest_p(rows)
    enough = "" if smallest < LEVEL else f": no star can appear; {round(tests / LEVEL)} draws would allow one"
    return f"{tests} comparisons of content, {draws} controls each; the smallest p after Holm is {smallest:.2g}{enough}"


def smallest_p(rows: list[Row]) -> float:
    """The smallest p after Holm that the comparisons of a run and outcome can have."""
    return smallest_holm_p(min(row["num_controls"] for row in rows), rows[0]["num_tests"])


def _legend(stars: bool) -> list[Any]:
    """What the signs mean; that of stars only where one can appear."""

    def dot(label: str, **style: Any) -> Line2D:
        return Line2D([], [], linestyle="", label=label, **style)

    return [
        Patch(facecolor="white", edgecolor=INK, linewidth=1.3, label="a benchmark of the set's own"),
        Patch(**UNTOLD, label="clean is not above chance"),
        dot(f"{LEAST_SHOWN} or more, and more than every control", marker="$\\bullet$", color=INK, markersize=5),
        *([dot(f"and p < {LEVEL:g} after Holm", marker="*", color=INK, markersize=7)] if stars else []),
        dot("specific", marker="o", color=MUTED, markersize=5),
        dot("not shown to be specific", marker="o", color=MUTED, markerfacecolor="white", markersize=5),
        dot("cannot be told", marker="x", color=MUTED, markersize=5),
        dot("a control", marker="|", color=CONTROL, markersize=6),
        Line2D([], [], color=MUTED, linewidth=1.6, label="95 % interval"),
        Line2D([], [], color=MUTED, linewidth=0.6, label="that of all tests together"),
    ]
