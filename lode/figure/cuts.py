"""What is lost where attention between two groups of tokens is cut: by layer, a panel a pair, and as arrows.

A block a benchmark. In each panel the change of the gold answer's log-likelihood (content; 0: nothing lost) where the
edges are cut in one layer (thin, no marks) and in a window of some (marked, at its middle, with its 95 % interval); in
grey the range of as many other edges into the same tokens in such a window, by rules for all samples. Right in a panel,
past the line, the cut in all layers: a mark, and its controls as a grey bar; filled where more is lost than under every
draw, hollow where less is, a cross where neither holds or nothing can be told. Scales differ from panel to panel, but
end at 0.1 or more.
First the same as arrows from group to group, their width by what is lost in all layers, grey what the controls lose on
average. Over all samples. It does not tell which way what is lost would have gone: edges in other layers, and other
tokens, may take over what one window no longer carries.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import MaxNLocator

from lode.figure import CONTROL, INK, MUTED, WIDTH, Looks, Table, blocks
from lode.statistics.cuts import BELOW, BEYOND, NO_CONTROLS

Row = Mapping[str, Any]
Pair = tuple[str, str]
COLUMNS = 4
#: How the cut in all layers is drawn by its verdict: marker, and whether it is filled.
MARKS = {BEYOND: ("o", True), BELOW: ("o", False)}
#: Where groups stand beside each other that lead to `last`, and the widest arrow [points].
LAST, BEFORE, WIDEST = "last", "before", 9.0
#: No panel is drawn larger than so that this fills it: what is less than 0.01 would look like something [nats].
LEAST_SHOWN = 0.1


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block for every cuts table."""
    parts = [(" · ".join(table.keys.values()), shown(table)) for table in tables["cuts"]]
    heights = [1.45 * num_rows(pairs_of(rows)) + 0.3 for _, rows in parts]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.2), layout="constrained")
    for part, (_, rows) in zip(blocks(figure, [title for title, _ in parts], heights), parts, strict=True):
        pairs = pairs_of(rows)
        grid = part.subplots(num_rows(pairs), COLUMNS, squeeze=False)
        axes = list(grid.flat)
        _draw_arrows(axes[0], rows, pairs, looks)
        for place, pair in zip(axes[1:], pairs, strict=False):
            _draw_pair(place, [row for row in rows if (row["source"], row["target"]) == pair], looks)
        for unused in axes[1 + len(pairs) :]:
            unused.set_visible(False)
        part.supylabel("change of gold\nlog-likelihood [nats]", fontsize=7.5)
    return figure


def shown(table: Table) -> list[Row]:
    """The content of all samples."""
    return [row for row in table.data.to_pylist() if (row["outcome"], row["items"]) == ("content", "all")]


def pairs_of(rows: Sequence[Row]) -> list[Pair]:
    """The pairs that have controls, those to the last token first: what has no null is not drawn."""
    found = dict.fromkeys((row["source"], row["target"]) for row in rows if row["verdict"] != NO_CONTROLS)
    return sorted(found, key=lambda pair: pair[1] != LAST)


def num_rows(pairs: Sequence[Pair]) -> int:
    """Rows of panels, the arrows among them."""
    return -(-(1 + len(pairs)) // COLUMNS)


def everywhere(rows: Sequence[Row]) -> list[Row]:
    """The cuts in all layers."""
    widest = max(row["window"] for row in rows)
    return [row for row in rows if row["window"] == widest]


def colour_of(source: str, looks: Looks) -> str:
    """Of a group its own, of `media` and `before` ink."""
    return looks.colour(source) if source in looks.section.looks else INK


def _draw_pair(axes: Axes, rows: Sequence[Row], looks: Looks) -> None:
    (whole,) = everywhere(rows)
    colour, num_layers = colour_of(whole["source"], looks), whole["window"]
    axes.axhline(0, color=MUTED, linewidth=0.6)
    widths = sorted({row["window"] for row in rows} - {num_layers})
    for width in widths:
        own = sorted((row for row in rows if row["window"] == width), key=lambda row: row["layer"])
        middles = np.array([row["layer"] + (width - 1) / 2 for row in own])
        thin = width != widths[-1]
        if not thin:
            _draw_beside(axes, middles, own, colour)
        axes.plot(
            middles,
            [row["delta"] for row in own],
            color=colour,
            linewidth=0.7 if thin else 1.3,
            marker="" if thin else "o",
            markersize=2.5,
            zorder=3,
        )
    _draw_whole(axes, num_layers + 0.6, whole, colour)
    axes.axvline(num_layers - 0.2, color=MUTED, linewidth=0.5, linestyle=":")
    layers = [int(tick) for tick in MaxNLocator(4, integer=True).tick_values(0, num_layers - 1)]
    layers = [tick for tick in layers if 0 <= tick < num_layers]
    axes.set_xticks([*layers, num_layers + 0.6], [*map(str, layers), "all"])
    axes.set_xlim(-0.6, num_layers + 1.3)
    axes.set_title(f"{whole['source']} → {whole['target']}", loc="left", fontsize=7.5, pad=3)
    axes.grid(axis="y")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -LEAST_SHOWN), max(high, LEAST_SHOWN / 5))


def _draw_beside(axes: Axes, middles: np.ndarray, rows: Sequence[Row], colour: str) -> None:
    """The range of the controls as a band, and intervals as bars: a band of ink would look like one of controls."""
    if all(row["num_controls"] for row in rows):
        low, high = ([row[name] for row in rows] for name in ("control_min", "control_max"))
        axes.fill_between(middles, low, high, color=CONTROL, alpha=0.45, linewidth=0.8, edgecolor=CONTROL, zorder=1)
    if all(row["interval_low"] is not None for row in rows):
        low, high = ([row[name] for row in rows] for name in ("interval_low", "interval_high"))
        axes.vlines(middles, low, high, color=colour, linewidth=0.8, zorder=2)


def _draw_whole(axes: Axes, place: float, row: Row, colour: str) -> None:
    """The cut in all layers, beside its controls."""
    if row["num_controls"]:
        axes.plot([place] * 2, [row["control_min"], row["control_max"]], color=CONTROL, linewidth=5, zorder=1)
    marker, filled = MARKS.get(row["verdict"], ("x", True))
    face = colour if filled else "white"
    axes.plot(place, row["delta"], marker, color=colour, markerfacecolor=face, markersize=5, zorder=4)


def _draw_arrows(axes: Axes, rows: Sequence[Row], pairs: Sequence[Pair], looks: Looks) -> None:
    """Groups as words, and what is lost in all layers as the width of the arrows between them."""
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    names = list(dict.fromkeys(name for pair in pairs for name in pair if BEFORE not in pair and name != LAST))
    places = {name: (0.16, 0.92 - 0.84 * at / max(1, len(names) - 1)) for at, name in enumerate(names)}
    places[LAST] = (0.9, 0.5)
    lost = {(row["source"], row["target"]): row for row in everywhere(rows)}
    most = max(
        [0.1, *(-row["delta"] for row in lost.values()), *(-(row["control_mean"] or 0) for row in lost.values())]
    )
    for pair in pairs:
        if BEFORE in pair:
            continue
        row = lost[pair]
        bend = 0.0 if pair[1] == LAST else -0.45
        for value, colour in ((row["control_mean"], CONTROL), (row["delta"], colour_of(pair[0], looks))):
            width = max(0.4, WIDEST * max(0.0, -(value or 0)) / most)
            axes.add_patch(
                FancyArrowPatch(
                    places[pair[0]],
                    places[pair[1]],
                    arrowstyle="-|>",
                    mutation_scale=6 + width,
                    linewidth=width,
                    color=colour,
                    alpha=0.75,
                    connectionstyle=f"arc3,rad={bend}",
                    shrinkA=11,
                    shrinkB=11,
                )
            )
    for name, (x, y) in places.items():
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        axes.text(x, y, name, ha="center", va="center", fontsize=7.5, color=colour_of(name, looks), bbox=box)
    axes.set_title("lost in all layers", loc="left", fontsize=7.5, pad=3)
