"""What does switching a set change inside the model: the answer by layer, and what the last token takes from where?

A row a benchmark; first the log-likelihood of the gold answer by the lens, then for each group of tokens its share in
what the last token takes, by layer. Each line is a set: with it switched less clean, so that 0 is the clean model, in
the colour of its group; in grey the range of its controls, one band a set. A filled mark is a change that no control of
the best of all sets, groups and layers comes up to (p at most 0.05, docs/methods.md 7.7); a hollow one a change that
may be any set's. Clean curves are those of `gold_by_layer` and `flow_shares`. It does not tell what a change is for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lode.figure import CONTROL, MUTED, WIDTH, Looks, Table
from lode.figure._traced import groups_of
from lode.statistics.shift import LARGEST_P

Row = Mapping[str, Any]
GOLD, SHARE = "gold_logp", "share"
#: Where all of these are 0, no such tokens are there.
TAKEN = ("clean", "difference", "control_min", "control_max")
#: No panel is drawn larger than so that this fills it: what is smaller would look like something [nats, share].
LEAST = {GOLD: 0.1, SHARE: 0.05}


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of panels for every table."""
    parts = [(table, first_kinds(table.data.to_pylist())) for table in tables["trace_tests"]]
    columns = [[(GOLD, "last"), *((SHARE, group) for group in share_groups(rows, looks))] for _, rows in parts]
    figure = Figure(figsize=(WIDTH, 0.55 + 1.85 * len(parts)), layout="constrained")
    grid = figure.subplots(len(parts), max(map(len, columns)), squeeze=False)
    for of_row, (table, rows), panels in zip(grid, parts, columns, strict=True):
        title = " · ".join(table.keys.values())
        for axes, (measure, group) in zip(of_row, panels, strict=False):
            own = [row for row in rows if (row["measure"], row["group"]) == (measure, group)]
            _draw_panel(axes, own, measure, looks)
            name = "gold answer\n[nats]" if measure == GOLD else f"share of\n{group}"
            axes.set_title(f" \n{name}", loc="left", fontsize=7.5)
        text = of_row[0].annotate(title, (0, 1), (0, 24), "axes fraction", "offset points", fontsize=7.5)
        text.set_in_layout(False)  # it runs over all panels, which it would push aside
        _share_scale(list(of_row[1 : len(panels)]))
        for unused in of_row[len(panels) :]:
            unused.set_visible(False)
    figure.supylabel("set switched less clean", fontsize=8)
    _legend(figure, [row for _, rows in parts for row in rows], looks)
    return figure


def first_kinds(rows: Sequence[Row]) -> list[Row]:
    """Of each set the rows of the kind of control that comes first, which is the headline's."""
    first: dict[str, str] = {}
    for row in rows:
        first.setdefault(row["set_name"], row["control_kind"])
    return [row for row in rows if row["control_kind"] == first[row["set_name"]]]


def share_groups(rows: Sequence[Row], looks: Looks) -> list[str]:
    """The groups that the last token takes something from, under some set at least: of sinks often nothing."""
    taken = [row for row in rows if row["measure"] == SHARE and any(row[name] for name in TAKEN)]
    return groups_of(taken, looks)


def _draw_panel(axes: Axes, rows: Sequence[Row], measure: str, looks: Looks) -> None:
    axes.axhline(0, color=MUTED, linewidth=0.7)
    for name in looks.in_order(row["set_name"] for row in rows):
        own = sorted((row for row in rows if row["set_name"] == name), key=lambda row: row["layer"])
        layers, colour = [row["layer"] for row in own], looks.colour(name)
        if own[0]["num_controls"]:
            low, high = ([row[end] for row in own] for end in ("control_min", "control_max"))
            axes.fill_between(layers, low, high, color=CONTROL, alpha=0.3, linewidth=0, zorder=1)
        axes.plot(layers, [row["difference"] for row in own], color=colour, linewidth=1.1, zorder=3)
        for row in own:
            named = row["p_corrected"] is not None and row["p_corrected"] <= LARGEST_P
            face = colour if named else "white"
            axes.plot(row["layer"], row["difference"], looks.marker(name), color=colour, markerfacecolor=face,
                      markeredgewidth=0.7, markersize=3.6 if named else 2.6, zorder=4)  # fmt: skip
    axes.set_xlabel("state" if measure == GOLD else "layer")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y")
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, -LEAST[measure]), max(top, LEAST[measure]))


def _share_scale(row: Sequence[Axes]) -> None:
    """One scale for all shares of a benchmark."""
    ends = [axes.get_ylim() for axes in row]
    for place, axes in enumerate(row):
        axes.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
        axes.tick_params(labelleft=not place)


def _legend(figure: Figure, rows: Sequence[Row], looks: Looks) -> None:
    """Which colour and marker is which set, and what grey is."""
    axes = figure.axes[0]
    names = looks.in_order(row["set_name"] for row in rows)
    handles: list[Any] = [
        axes.plot([], [], looks.marker(name), linestyle="-", color=looks.colour(name), markersize=4)[0]
        for name in names
    ]
    handles.append(axes.fill_between([], [], color=CONTROL, alpha=0.3, linewidth=0))
    handles.append(axes.plot([], [], "o", color=MUTED, markersize=4)[0])
    labels = [*names, "controls of a set", "filled: p ≤ 0.05"]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
