"""What switching a set off does: a block a selection and intervention, a panel a benchmark, a row a set.

The axis is nats. Coloured, content: the log-likelihood of the gold answer with the set switched. Grey diamonds,
stopping: the log-likelihood of an end token after that answer. Each has its 95 % interval, its own matched controls
(dots below it) and a line for the unmodified model; a marker is filled where the set lost more than every control. The
row `blank` is the unmodified model without its medium, the dotted line the chance level of the content. The column to
the right is the headline score of the benchmark, with a dot where the set lost more of it than every control that wrote
replies. It does not tell a lost group from a broken model: see the controls, and the replies in the report.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lode.engine.errors import UserError
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
    grid_columns,
    heading,
    outcome_rows,
)

Row = dict[str, Any]
_NATS = ("content", "stopping")
_STOPPING = "#4d4d4d"


class Panel(NamedTuple):
    """One benchmark of a run: rows of the scores and, by set, of the effects, each by outcome."""

    dataset: str
    scores: Mapping[str, Sequence[Row]]
    drops: Mapping[str, Mapping[str, Row]]

    def reference(self, outcome: str) -> dict[str, Row]:
        """The clean model, it without its medium, and chance."""
        kinds = ("clean", "blanked", "constant")
        return {str(row["kind"]): row for row in self.scores[outcome] if row["kind"] in kinds}

    def methods(self, outcome: str) -> dict[str, Row]:
        """The method's sets by name."""
        return {str(row["set_name"]): row for row in self.scores[outcome] if row["kind"] == "method"}

    def controls(self, outcome: str, name: str) -> list[float]:
        """What the controls of a set come to, of the kind that the headline is against."""
        kind = self.drops[outcome][name]["control_kind"]
        return [
            row["value"]
            for row in self.scores[outcome]
            if (row["kind"], row["control_of"], row["control_kind"]) == ("control", name, kind)
        ]


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block of panels for every model, selection and intervention."""
    effects = {tuple(table.keys.values()): table for table in tables["effects"]}
    runs: dict[str, list[Panel]] = {}
    for table in tables["scores"]:
        if tuple(table.keys.values()) not in effects:
            raise UserError(f"there are scores but no effects of {'/'.join(table.keys.values())}")
        runs.setdefault(heading(table.keys), []).append(panel(table, effects[tuple(table.keys.values())]))
    num_columns = min(3, grid_columns(max(map(len, runs.values()))))
    num_rows = [-(-len(panels) // num_columns) for panels in runs.values()]
    num_sets = [len(panels[0].methods("content")) for panels in runs.values()]
    heights = [rows * (1.0 + 0.38 * sets) + 0.25 for rows, sets in zip(num_rows, num_sets, strict=True)]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.85), layout="constrained")
    _legend(figure, looks.colour(looks.grouping.names[0]))
    for part, panels, rows in zip(blocks(figure, list(runs), heights), runs.values(), num_rows, strict=True):
        grid = part.subplots(rows, num_columns, squeeze=False)
        for axes, shown in zip(grid.flat, panels, strict=False):
            _draw_panel(axes, shown, looks, first=shown is panels[0] or axes in grid[:, 0])
        for unused in grid.flat[len(panels) :]:
            unused.set_visible(False)
    figure.supxlabel("log-likelihood [nats]", fontsize=8)
    figure.supylabel("set (unique neurons)", fontsize=8)
    return figure


def panel(scores: Table, effects: Table) -> Panel:
    """The rows of one benchmark."""
    outcomes = (*_NATS, "score")
    drops = {
        outcome: {str(row["set_name"]): row for row in first_controls(outcome_rows(effects, outcome))}
        for outcome in outcomes
    }
    return Panel(scores.keys["dataset"], {outcome: outcome_rows(scores, outcome) for outcome in outcomes}, drops)


def _draw_panel(axes: Axes, shown: Panel, looks: Looks, first: bool) -> None:
    content, stopping = (shown.reference(outcome) for outcome in _NATS)
    methods = {outcome: shown.methods(outcome) for outcome in _NATS}
    names = looks.in_order(methods["content"])
    axes.axvline(content["clean"]["value"], color=INK, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    axes.axvline(content["constant"]["value"], color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
    for place, kind in enumerate(("clean", "blanked")):
        if kind in content:
            _point(axes, place - 0.15, content[kind], INK, "|", filled=True, outcome="content")
            _point(axes, place + 0.2, stopping[kind], _STOPPING, "d", filled=False, outcome="stopping")
    for y, name in enumerate(names, start=2):
        for outcome, top, shade, symbol in (
            ("content", y - 0.32, looks.colour(name), looks.marker(name)),
            ("stopping", y + 0.12, _STOPPING, "d"),
        ):
            _controls(axes, shown.controls(outcome, name), top + 0.2, outcome)
            filled = beats_controls(shown.drops[outcome][name])
            _point(axes, top, methods[outcome][name], shade, symbol, filled, outcome)
    axes.set_title(shown.dataset, loc="left", pad=11)
    labels = [f"{name} ({methods['content'][name]['num_neurons']})" for name in names]
    axes.set_yticks(range(len(names) + 2), ["clean", "blank", *labels] if first else [""] * (len(names) + 2))
    axes.set_ylim(len(names) + 1.6, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    _score_column(axes, shown, names)


def _score_column(axes: Axes, shown: Panel, names: list[str]) -> None:
    """The headline score of each row, to the right of its panel."""
    reference, methods, drops = shown.reference("score"), shown.methods("score"), shown.drops["score"]
    texts = [f"{reference[kind]['value']:.2f}" if kind in reference else "–" for kind in ("clean", "blanked")]
    texts += [f"{methods[name]['value']:.2f}" + (" •" if beats_controls(drops[name]) else "") for name in names]
    for y, text in enumerate(texts):
        axes.annotate(text, (1, y), (3, 0), ("axes fraction", "data"), "offset points", va="center", fontsize=6.5,
                      label="_headline")  # fmt: skip
    axes.set_title(str(reference["clean"]["score_name"]), loc="right", fontsize=6, color=MUTED, pad=2)


def _controls(axes: Axes, values: list[float], y: float, outcome: str) -> None:
    """A band below the marker; the spread within it (steps of the golden ratio) only keeps equal values apart."""
    spread = y + 0.14 * ((np.arange(len(values)) * 0.618) % 1 - 0.5)
    axes.plot(values, spread, "o", markersize=1.6, color=CONTROL, markeredgewidth=0, alpha=0.6,
              label=f"_controls_{outcome}", zorder=2)  # fmt: skip


def _point(axes: Axes, y: float, row: Row, shade: str, symbol: str, filled: bool, outcome: str) -> None:
    """A value and its interval; the marker's face is empty where no control was beaten."""
    ends = [row["interval_low"], row["interval_high"]]
    axes.plot(ends, [y, y], color=shade, linewidth=1.1, zorder=3, label=f"_interval_{outcome}")
    axes.plot(
        row["value"], y, symbol, color=shade, markersize={"|": 7, "d": 4}.get(symbol, 5),
        markerfacecolor=shade if filled else "white", markeredgewidth=1, zorder=4, label=f"_{outcome}",
    )  # fmt: skip


def _legend(figure: Figure, shade: str) -> None:
    """One legend above all panels, never over data; `shade` stands for the colour of any set."""

    def dot(label: str, **style: object) -> Line2D:
        return Line2D([], [], linestyle="", label=label, **style)  # type: ignore[arg-type]

    figure.legend(
        handles=[
            dot("content; filled: lost more than every control", marker="o", color=shade, markersize=5),
            dot("stopping; filled: the same", marker="d", color=_STOPPING, markersize=4),
            dot("matched control", marker="o", color=CONTROL, markeredgewidth=0, markersize=2.8),
            Line2D([], [], color=MUTED, linewidth=1.1, label="95 % interval"),
            Line2D([], [], color=INK, linewidth=0.8, linestyle=(0, (4, 2)), label="content, clean"),
            Line2D([], [], color=MUTED, linewidth=0.9, linestyle=(0, (1, 1.5)), label="content, by chance"),
        ],
        loc="outside upper center",
        ncols=3,
        columnspacing=1.4,
        handletextpad=0.5,
        handlelength=1.6,
    )
