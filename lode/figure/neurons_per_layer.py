"""Where the selected neurons sit: unique neurons in each layer, a row a selection and site, and a column a set.

Every set has a panel of its own, so that equal counts never hide one another. Panels of a row share
their scale. exp(H) is the mean over the neurons of the set of the number of groups in which a neuron fires in effect,
in brackets that of its controls: a set that fires in as few groups as random neurons do is not specific by firing. It
does not tell how important the neurons are, and since MINER normalises importance within each
layer, a layer with one very large neuron looks empty (docs/methods.md 1.7).
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lode.engine.tables import label
from lode.figure import WIDTH, Looks, Table, blocks, by_site, groups_in_effect, heading, method_sets
from lode.table.neurons import NEURONS


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of bar charts for every neurons table and site."""
    shown = [part for table in tables["neurons"] for part in by_site(table)]
    rows = [(part, method_sets(part.data, looks)) for part in shown]
    names = looks.in_order(name for _, sets in rows for name in sets)
    depths: dict[str, int] = {}
    for part, sets in rows:
        deepest = 1 + max(int(pairs[:, 0].max()) for pairs in sets.values())
        depths[_site(part)] = max(deepest, depths.get(_site(part), 0))
    figure = Figure(figsize=(WIDTH, 0.5 + 1.55 * len(rows)), layout="constrained")
    blocks_of = blocks(figure, [heading(part.keys) for part in shown], [1] * len(rows))
    for block, (part, sets) in zip(blocks_of, rows, strict=True):
        grid = block.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)
        effective = groups_in_effect(part.data)
        for axes, name in zip(grid[0], names, strict=True):
            layers = sets[name][:, 0] if name in sets else np.array([], dtype=np.int64)
            _draw_panel(axes, np.bincount(layers, minlength=depths[_site(part)]), looks.colour(name))
            axes.set_title(_title(name, len(layers), effective.get(name)), loc="left")
    figure.supylabel("unique neurons of the set", fontsize=8)
    figure.supxlabel(label(NEURONS, "layer"), fontsize=8)
    return figure


def _site(part: Table) -> str:
    return part.keys.get("site", "")


def _title(name: str, count: int, effective: tuple[float, float] | None) -> str:
    """A set, how many neurons it has, and in how many groups they and those of its controls fire in effect."""
    if effective is None:
        return f"{name}: {count}"
    own, controls = effective
    return f"{name}: {count}\nexp(H) {own:.2f}" + ("" if np.isnan(controls) else f" ({controls:.2f})")


def _draw_panel(axes: Axes, counts: np.ndarray, colour: str) -> None:
    axes.bar(np.arange(len(counts)), counts, width=0.8, color=colour)
    axes.set_xlim(-0.7, len(counts) - 0.3)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
