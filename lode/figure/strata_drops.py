"""What does a set cost each kind of sample, and does it cost one kind more than another, as was declared?

A row a run and score; left, for each key of `dataset.contrasts`, a column a stratum: the drop of each set against the
clean model, with its 95 % interval by clusters; grey, its controls; a cross, the run with every medium blank, which
says what the medium is worth to each kind. Right, a panel a declared contrast: the share of what there was to lose
that the one loses, less that of the other, within equal values of another key; grey, those of the controls; not drawn
where one of the two is not above chance. A dot is filled where the contrast is above that of every control, also per
magnitude, and its interval above 0. Drops on the left are exploratory: strata differ in more than their name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lode.figure import CONTROL, INK, MUTED, WIDTH, Looks, Table, blocks, heading
from lode.statistics.shift import BEYOND

Row = dict[str, Any]
#: How far the marks of one column spread, of the room between two columns.
SPREAD = 0.7
BLANK = "blank"


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every run, benchmark and score that a contrast is declared for."""
    drops = {(heading(t.keys), *score): rows for t in tables["strata"] for score, rows in by_score(t).items()}
    found = {(heading(t.keys), *score): rows for t in tables["contrasts"] for score, rows in by_score(t).items()}
    names = [" · ".join(key) for key in found]
    heights = [2.3] * len(found)
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.45), layout="constrained")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=4, handletextpad=0.5, columnspacing=1.2)
    for part, (key, contrasts) in zip(blocks(figure, names, heights), found.items(), strict=True):
        named = by_contrast(contrasts)
        divided = list(dict.fromkeys(row["contrast_key"] for row in contrasts))
        widths = [3 / len(divided)] * len(divided) + [3 / (1 + len(named))] * len(named)
        panels = part.subplots(1, len(widths), width_ratios=widths)
        sets = looks.in_order({row["set_name"] for row in contrasts if row["set_name"] != BLANK})
        for axes, by in zip(panels, divided, strict=False):
            told = [row for row in drops[key] if row["stratum_key"] == by]
            _draw_drops(axes, told, sets, first_kinds(contrasts), looks)
        for axes, rows in zip(panels[len(divided) :], named, strict=True):
            _draw_contrasts(axes, rows, sets, looks)
    return figure


def by_contrast(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of every declared contrast, in their order."""
    names = dict.fromkeys(row["contrast_name"] for row in rows)
    return [[row for row in rows if row["contrast_name"] == name] for name in names]


def by_score(table: Table) -> dict[tuple[str, str], list[Row]]:
    """The rows of a table by benchmark and score, in their order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in table.data.to_pylist():
        found.setdefault((row["dataset"], row["score_name"]), []).append(row)
    return found


def first_kinds(rows: Sequence[Row]) -> dict[str, str]:
    """Of each set the kind of control that comes first, which is the headline's."""
    found: dict[str, str] = {}
    for row in rows:
        found.setdefault(row["set_name"], row["control_kind"])
    return found


def _draw_drops(axes: Axes, rows: Sequence[Row], sets: Sequence[str], kinds: Mapping[str, str], looks: Looks) -> None:
    strata = list(dict.fromkeys(row["stratum"] for row in rows))
    step = SPREAD / (len(sets) + 1)
    axes.axhline(0, color=MUTED, linewidth=0.6)
    for x, stratum in enumerate(strata):
        here = [row for row in rows if row["stratum"] == stratum]
        axes.plot(x - SPREAD / 2, _drop_of(here, BLANK), "x", color=INK, markersize=5)
        for place, name in enumerate(sets, 1):
            at = x - SPREAD / 2 + place * step
            controls = [
                row["drop"] for row in here if (row["control_of"], row["control_kind"]) == (name, kinds.get(name))
            ]
            axes.plot([at] * len(controls), controls, "o", color=CONTROL, markersize=2, alpha=0.6)
            (row,) = (row for row in here if row["set_name"] == name)
            _mark(axes, at, row["drop"], row["drop_low"], row["drop_high"], looks, name, filled=True)
    num = {row["stratum"]: row["num_samples"] for row in rows}
    axes.set_xticks(range(len(strata)), [f"{stratum}\nn = {num[stratum]}" for stratum in strata])
    axes.set_ylabel(f"drop [{rows[0]['unit']}]" if rows else "drop")


def _draw_contrasts(axes: Axes, rows: Sequence[Row], sets: Sequence[str], looks: Looks) -> None:
    headline: dict[str, Row] = {}
    for row in rows:
        headline.setdefault(row["set_name"], row)
    _name_contrast(axes, rows[0])
    if all(row["contrast"] is None for row in headline.values()):
        axes.set_axis_off()
        axes.text(0, 0.5, "one is not above chance", color=MUTED, fontsize=7, transform=axes.transAxes)
        return
    told = [name for name in (BLANK, *sets) if name in headline]
    axes.axhline(0, color=MUTED, linewidth=0.6)
    for x, name in enumerate(told):
        row = headline[name]
        axes.plot([x] * len(row["control_values"]), row["control_values"], "o", color=CONTROL, markersize=2, alpha=0.6)
        if name == BLANK:
            axes.plot(x, np.nan if row["contrast"] is None else row["contrast"], "x", color=INK, markersize=5)
        _mark(axes, float(x), row["contrast"], row["interval_low"], row["interval_high"], looks, name, _is_beyond(row))
    labels = [f"{name}\np {headline[name]['p_value']:.2f}" if headline[name]["num_controls"] else name for name in told]
    axes.set_xticks(range(len(told)), labels, fontsize=6)
    axes.set_ylabel("contrast [share]")


def _name_contrast(axes: Axes, row: Row) -> None:
    """What is less what, within what, and of how many samples."""
    within = f"within {row['within']} {', '.join(row['parts'])}" if row["within"] else "over all"
    title = f"{row['one']} less {row['other']}\n{within}\nn = {row['num_one']}, {row['num_other']}"
    axes.set_title(title, color=MUTED, loc="left", fontsize=6.5)


def _is_beyond(row: Row) -> bool:
    return bool(row["verdict"] == BEYOND and (row["interval_low"] or 0) > 0)


def _drop_of(rows: Sequence[Row], set_name: str) -> float:
    return next((float(row["drop"]) for row in rows if row["set_name"] == set_name), float("nan"))


def _mark(
    axes: Axes,
    x: float,
    value: float | None,
    low: float | None,
    high: float | None,
    looks: Looks,
    name: str,
    filled: bool,
) -> None:
    """A value with its interval, where it is known; of a blank run the interval alone."""
    value = float("nan") if value is None else value
    colour = INK if name == BLANK else looks.colour(name)
    if low is not None and high is not None:
        axes.plot([x, x], [low, high], color=colour, linewidth=1)
    if name != BLANK:
        face = colour if filled else "white"
        axes.plot(x, value, looks.marker(name), color=colour, markerfacecolor=face, markersize=5)


def _legend() -> list[Line2D]:
    def mark(marker: str, label: str, colour: str = INK, **style: Any) -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, color=colour, label=label, **style)

    return [
        mark("o", "set, with its 95 % interval", markersize=5),
        mark("o", "contrast not above every control and 0", markersize=5, markerfacecolor="white"),
        mark("o", "its controls", CONTROL, markersize=3),
        mark("x", "every medium blank", markersize=5),
    ]
