"""Do sets of two models around one language model share more neurons than chance and controls?

A panel a pair of models and selection, a row a pair of sets. A mark: the neurons that both sets hold, filled where they
are more than any control of the one shares with the set of the other, and the reverse. A dash: the mean of random sets
with as many neurons in every layer. Grey: each control of the one with the set of the other, above the line; each
control of the other with the set of the one, below it. The scale is that of the square root: counts begin at none.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lode.engine.errors import UserError
from lode.figure import CONTROL, INK, WIDTH, Looks, Table, grid_columns, heading

Row = dict[str, Any]
#: How far controls lie above and below the line of their pair of sets.
ASIDE = 0.2


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One panel for every selection and pair of models."""
    panels: dict[str, list[Row]] = {}
    for table in tables["overlaps"]:
        for row in table.data.to_pylist():
            title = f"{row['model_a']} and {row['model_b']}\n{heading(table.keys)}"
            panels.setdefault(title, []).append(row)
    if not panels:
        raise UserError("the figure model_overlap compares models with the same language model, and there are no two")
    columns = min(2, grid_columns(len(panels)))
    rows = -(-len(panels) // columns)
    height = 0.26 * max(map(len, panels.values())) + 0.8
    figure = Figure(figsize=(WIDTH, rows * height + 0.5), layout="constrained")
    figure.legend(handles=_legend(), loc="outside upper center", ncols=2, handletextpad=0.5, columnspacing=1.2)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, pairs) in zip(grid.flat, panels.items(), strict=False):
        _draw_panel(axes, in_order(pairs, looks), looks)
        axes.set_title(title, loc="left", fontsize=7.5)
    return figure


def in_order(rows: Sequence[Row], looks: Looks) -> list[Row]:
    """Rows by the order of groups, first of the one model's sets."""
    names = looks.in_order({row[of] for row in rows for of in ("set_a", "set_b")})
    return sorted(rows, key=lambda row: (names.index(row["set_a"]), names.index(row["set_b"])))


def _draw_panel(axes: Axes, rows: Sequence[Row], looks: Looks) -> None:
    for y, row in enumerate(rows):
        for controls, side in ((row["shared_by_controls_a"], -ASIDE), (row["shared_by_controls_b"], ASIDE)):
            axes.plot(
                controls, [y + side] * len(controls), "o", color=CONTROL, markersize=2.5, alpha=0.5, clip_on=False
            )
        axes.plot([row["expected"]] * 2, [y - 0.35, y + 0.35], color=INK, linewidth=1.2)
        colour = looks.colour(row["set_a"])
        face = colour if is_beyond(row) else "white"
        marker = looks.marker(row["set_b"])
        axes.plot(
            row["num_shared"], y, marker, color=colour, markerfacecolor=face, markersize=5.5, clip_on=False, zorder=3
        )
    axes.set_yticks(
        range(len(rows)), [f"{row['set_a']} ({row['num_a']}), {row['set_b']} ({row['num_b']})" for row in rows]
    )
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xscale("function", functions=(lambda x: x.clip(0) ** 0.5, lambda x: x**2))
    axes.set_xlim(0, None)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("shared neurons")
    axes.tick_params(axis="y", length=0, labelsize=6.5)


def is_beyond(row: Row) -> bool:
    """Whether two sets share more than every control does, and their controls are matched."""
    both = (row["shared_by_controls_a"], row["shared_by_controls_b"])
    return not row["unmatched"] and all(controls and row["num_shared"] > max(controls) for controls in both)


def _legend() -> list[Line2D]:
    def mark(marker: str, label: str, colour: str = INK, **style: Any) -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, color=colour, label=label, **style)

    return [
        mark("o", "sets, more than any control", markersize=5),
        mark("o", "not more, or controls do not match", markersize=5, markerfacecolor="white"),
        mark("|", "random sets of the same layers", markersize=9),
        mark("o", "controls with the other set", CONTROL, markersize=3),
    ]
