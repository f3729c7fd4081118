"""What the sets share: for every combination of sets, the neurons that belong to exactly these sets.

An UpSet chart (Lex et al., 2014): each neuron is counted in one bar, so that the bars add up to the
unique neurons. It does not tell how much overlap chance would give.
"""

from collections import Counter
from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from lode.figure import MUTED, WIDTH, Looks, Table, by_site, heading, method_sets

_FEW = 9  # combinations that fit in half the page


def combinations(sets: dict[str, np.ndarray]) -> dict[tuple[str, ...], int]:
    """How many neurons are in exactly these sets: single sets in their fixed order, then pairs by size, and so on."""
    members: dict[tuple[int, int], list[str]] = {}
    for name, pairs in sets.items():
        for pair in map(tuple, pairs.tolist()):
            members.setdefault(pair, []).append(name)
    counts = Counter(map(tuple, members.values()))
    place = [(name,) for name in sets]
    return dict(
        sorted(
            counts.items(),
            key=lambda item: (len(item[0]), place.index(item[0]) if len(item[0]) == 1 else -item[1], item[0]),
        )
    )


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One UpSet chart for every neurons table and site; the union `all` is left out, as it shares everything."""
    charts = []
    for table in chain.from_iterable(map(by_site, tables["neurons"])):
        sets = method_sets(table.data, looks)
        sets = {name: pairs for name, pairs in sets.items() if name != "all" or len(sets) == 1}
        charts.append((heading(table.keys), sets, combinations(sets)))
    num_slots = max(len(counts) for *_, counts in charts)
    num_columns = 2 if num_slots <= _FEW and len(charts) > 1 else 1
    num_rows = -(-len(charts) // num_columns)
    num_sets = max(len(sets) for _, sets, _ in charts)
    heights = (1.2, 0.2 * num_sets)
    figure = Figure(
        figsize=(WIDTH, num_rows * (sum(heights) + 0.55)), layout=ConstrainedLayoutEngine(h_pad=0.03, hspace=0.0)
    )
    for panel, chart in zip(figure.subfigures(num_rows, num_columns, squeeze=False).flat, charts, strict=False):
        bars, dots = panel.subplots(2, 1, sharex=True, height_ratios=heights)
        _draw_chart(bars, dots, looks, *chart, num_slots=max(num_slots, _FEW if num_columns == 1 else 4))
    return figure


def _draw_chart(
    bars: Axes,
    dots: Axes,
    looks: Looks,
    title: str,
    sets: dict[str, np.ndarray],
    counts: dict[tuple[str, ...], int],
    num_slots: int,
) -> None:
    names = list(sets)
    total = sum(len(pairs) for pairs in sets.values())
    bars.set_title(title, loc="left", fontweight="bold", pad=16)
    bars.annotate(
        f"{total} chosen, {sum(counts.values())} unique",
        (0, 1), (0, 5), "axes fraction", "offset points", color=MUTED, fontsize=7.5,
    )  # fmt: skip
    for slot, (combination, count) in enumerate(counts.items()):
        single = len(combination) == 1
        drawn = bars.bar(slot, count, 0.62, color=looks.colour(combination[0]) if single else MUTED)
        bars.bar_label(drawn, fontsize=7.5, padding=1)
        rows = [names.index(name) for name in combination]
        dots.plot([slot, slot], [min(rows), max(rows)], color=MUTED, linewidth=1.2, zorder=1)
        for name, row in zip(names, range(len(names)), strict=True):
            inside = name in combination
            dots.plot(
                slot,
                row,
                looks.marker(name),
                color=looks.colour(name) if inside else "#dcdcdc",
                markersize=6 if inside else 3.5,
            )
    bars.margins(y=0.15)
    bars.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    bars.set_ylabel("neurons")
    bars.tick_params(axis="x", length=0, labelbottom=False)
    bars.spines["bottom"].set_visible(False)
    dots.set_yticks(range(len(names)), [f"{name}: {len(sets[name])}" for name in names])
    dots.set_ylim(len(names) - 0.5, -0.5)
    dots.set_xlim(-0.6, num_slots - 0.4)
    dots.set_xticks([])
    dots.tick_params(axis="y", length=0)
    for side in ("left", "bottom"):
        dots.spines[side].set_visible(False)
