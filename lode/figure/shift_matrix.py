"""Where does a set write, and is that used? A row a set; left, a column a group of tokens; right, what is lost.

A cell on the left holds the shift of the last states, |h' - h| / |h|, less the mean of the set's controls, as the mean
over all benchmarks that hold the group; in small, the shift itself and the mean of the controls. `last token` is the
last of the prompt, from which the reply is made. A dot: above every one of its controls, also per magnitude. Hatched:
they write less than 0.9 of what the set does (*unmatchable*), or are fewer than 20; nothing is told by the difference
then. A frame: the group that the set was selected for. Dots are of one cell each: with 20 controls a random set has one
in 1 of 21 cells. The report names sets after correction.

On the right the drop of content and of stopping [nats], less the mean of the controls, as the mean over the benchmarks
on which the unmodified model is above chance; in small, on how many of these it is above every control. Set beside each
other: states that move without anything lost. It does not tell at which layer a set writes (`shifts` does).
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lode.figure import (
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
from lode.statistics.shift import BEYOND, WITHIN

Row = dict[str, Any]
#: The outcomes on the right.
LOST = ("content", "stopping")
#: The group of the last token, and what its column is called.
LAST, LAST_TOKEN = "last", "last token"
#: Letters of names of columns that stand level side by side.
_MOST_LETTERS = 45


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every model, selection and intervention: where sets write, and what is lost."""
    runs = {heading(table.keys): pooled(table) for table in tables["shift_tests"]}
    effects: dict[str, list[Table]] = {}
    for table in tables["effects"]:
        effects.setdefault(heading(table.keys), []).append(table)
    drops = {name: [lost(effects.get(name, []), outcome) for outcome in LOST] for name in runs}
    heights = [1.05 + 0.36 * len({row["set_name"] for row in rows}) for rows in runs.values()]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.55), layout="constrained")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=3, handletextpad=0.5, columnspacing=1.2)
    shifts = scale([excess(row) for rows in runs.values() for row in rows if is_told(row)], 1.0)
    nats = scale([row["excess"] for of in drops.values() for by_set in of for row in by_set.values()])
    for part, (name, rows) in zip(blocks(figure, list(runs), heights), runs.items(), strict=True):
        sets = looks.in_order(row["set_name"] for row in rows)
        groups = columns(rows, sets, looks)
        left, right = part.subplots(1, 2, width_ratios=[max(3, len(groups)), len(LOST)])
        _draw_shifts(left, sets, groups, rows, shifts)
        _draw_lost(right, sets, drops[name], {row["set_name"] for row in rows if is_told(row)}, nats)
        part.colorbar(ScalarMappable(shifts, COLOURS), ax=left, pad=0.02, aspect=18, extend=_ends(shifts))
        part.colorbar(ScalarMappable(nats, COLOURS), ax=right, pad=0.05, aspect=18)
        part.supxlabel(_controls_of(rows), fontsize=7, color=MUTED, x=0.01, ha="left")
    return figure


def pooled(table: Table) -> list[Row]:
    """The rows over all benchmarks that hold the group, each at the headline kind of control, which comes first."""
    found: dict[tuple[str, str], Row] = {}
    for row in table.data.to_pylist():
        if row["dataset"] is None:
            found.setdefault((row["set_name"], row["group"]), row)
    return list(found.values())


def columns(rows: Sequence[Row], sets: Sequence[str], looks: Looks) -> list[str]:
    """The groups that sets were selected for, where they occur, in their order, and the last token."""
    held = {row["group"] for row in rows}
    return [*looks.in_order(held & set(sets)), *({LAST} & held)]


def is_told(row: Row) -> bool:
    """Whether there are controls that write as much, and enough of them."""
    return row["verdict"] in (BEYOND, WITHIN)


def excess(row: Row) -> float:
    """The shift less the mean of the controls."""
    return float(row["shift"] - row["control_mean"])


def lost(effects: Sequence[Table], outcome: str) -> dict[str, Row]:
    """By set the mean drop less that of its controls, over benchmarks, and on how many of them it is above every one.

    Args:
        effects: of all benchmarks of a run.
        outcome: `content` or `stopping`.
    """
    by_set: dict[str, list[Row]] = {}
    for table in effects:
        for row in first_controls(outcome_rows(table, outcome)):
            if row["measurable"] and row["num_controls"]:
                by_set.setdefault(row["set_name"], []).append(row)
    return {
        name: {
            "excess": float(np.mean([row["drop"] - row["control_drop_mean"] for row in rows])),
            "num_beaten": sum(beats_controls(row) and row["drop"] >= LEAST_SHOWN for row in rows),
            "num_benchmarks": len(rows),
        }
        for name, rows in by_set.items()
    }


def scale(values: Sequence[float], most: float = np.inf) -> Normalize:
    """White at 0, and as far to either side as the largest value, but no further than `most`."""
    end = min(max([0.1, *map(abs, values)]), most)
    return Normalize(-end, end)


def _draw_shifts(axes: Axes, sets: Sequence[str], groups: Sequence[str], rows: Sequence[Row], norm: Normalize) -> None:
    values = np.full((len(sets), len(groups)), np.nan)
    for row in rows:
        if row["group"] not in groups:
            continue
        y, x = sets.index(row["set_name"]), groups.index(row["group"])
        told = is_told(row)
        if not told:
            hatch(axes, x, y, "_untold")
        if row["own"]:
            frame(axes, x, y)
        if not told:
            _write(axes, x, y, "–", _beside(row), MUTED)
            continue
        values[y, x] = excess(row)
        above = row["verdict"] == BEYOND and values[y, x] >= LEAST_SHOWN
        _write(axes, x, y, short(values[y, x]) + (" •" if above else ""), _beside(row), ink(values[y, x], norm))
    sizes = {row["set_name"]: row["num_neurons"] for row in rows}
    finish(axes, values, norm, [LAST_TOKEN if group == LAST else group for group in groups], _MOST_LETTERS)
    axes.set_xlabel("tokens")
    name_sets(axes, sets, sizes)
    axes.set_title("shift of the last states, less that of controls [share of length]", loc="left", pad=3)


def _draw_lost(
    axes: Axes, sets: Sequence[str], drops: Sequence[Mapping[str, Row]], told: Set[str], norm: Normalize
) -> None:
    values = np.full((len(sets), len(drops)), np.nan)
    for x, by_set in enumerate(drops):
        for y, name in enumerate(sets):
            if name not in told or name not in by_set:
                hatch(axes, x, y, "_untold")
            if name not in by_set:
                continue
            row = by_set[name]
            counts = f"{row['num_beaten']} of {row['num_benchmarks']}"
            if name in told:
                values[y, x] = row["excess"]
            _write(axes, x, y, short(row["excess"]), counts, ink(row["excess"], norm) if name in told else MUTED)
    finish(axes, values, norm, LOST, _MOST_LETTERS)
    axes.set_xlabel("lost")
    axes.set_yticks([])
    axes.set_title("lost beyond controls [nats]", loc="left", pad=3)


def _beside(row: Row) -> str:
    """The shift itself, and the mean of the controls."""
    if row["control_mean"] is None:
        return f"{short(row['shift'])} | –"
    return f"{short(row['shift'])} | {short(row['control_mean'])}"


def _ends(norm: Normalize) -> str:
    """Pointed where shifts pass the end of the colours."""
    return "max" if norm.vmax == 1 else "neither"


def _write(axes: Axes, x: int, y: int, said: str, small: str, colour: str) -> None:
    box = {"facecolor": "#efefef", "edgecolor": "none", "pad": 0.6} if colour == MUTED else None
    axes.text(x, y - 0.17, said, ha="center", va="center", fontsize=8, color=colour, bbox=box)
    axes.text(x, y + 0.27, small, ha="center", va="center", fontsize=5.9, color=colour, bbox=box)


def _controls_of(rows: Sequence[Row]) -> str:
    """What is written in small, and which controls the cells are compared with, how few at least."""
    kinds = " or ".join(dict.fromkeys(row["control_kind"] for row in rows if row["num_controls"]))
    if not kinds:
        return "no controls: nothing is told of a shift"
    draws = min(row["num_controls"] for row in rows if row["num_controls"])
    return (
        f"small: the shift | the mean of its {draws} {kinds} controls, above all of which a random set is in 1 of "
        f"{1 + draws} cells;\non the right, on how many of the benchmarks more is lost than by every control"
    )


def _legend() -> list[Any]:
    """What the signs mean."""
    return [
        Patch(facecolor="white", edgecolor=INK, linewidth=1.3, label="the set's own group"),
        Line2D([], [], linestyle="", marker="$\\bullet$", color=INK, markersize=5, label="above every control"),
        Patch(**UNTOLD, label="controls write < 0.9 of the set, or are too few"),
    ]
