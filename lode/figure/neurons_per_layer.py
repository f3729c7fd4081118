"""Where the selected neurons sit: unique neurons in each layer, a row a selection and a column a set.

Every set has a panel of its own, so that equal counts never hide one another. Panels of a row share
their scale. It does not tell how important the neurons are, and since MINER normalises importance within each
layer, a layer with one very large neuron looks empty (docs/methods.md 1.7).
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lode.engine.tables import label
from lode.figure import WIDTH, Looks, Table, blocks, heading, method_sets
from lode.table.neurons import NEURONS


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One row of bar charts for every neurons table."""
    rows = [(table.keys, method_sets(table.data, looks)) for table in tables["neurons"]]
    names = looks.in_order(name for _, sets in rows for name in sets)
    num_layers = 1 + max(int(pairs[:, 0].max()) for _, sets in rows for pairs in sets.values())
    figure = Figure(figsize=(WIDTH, 0.5 + 1.55 * len(rows)), layout="constrained")
    parts = blocks(figure, [heading(keys) for keys, _ in rows], [1] * len(rows))
    for part, (_, sets) in zip(parts, rows, strict=True):
        grid = part.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)
        for axes, name in zip(grid[0], names, strict=True):
            layers = sets[name][:, 0] if name in sets else np.array([], dtype=np.int64)
            counts = np.bincount(layers, minlength=num_layers)
            axes.bar(np.arange(num_layers), counts, width=0.8, color=looks.colour(name))
            axes.set_title(f"{name}: {len(layers)}", loc="left")
            axes.set_xlim(-0.7, num_layers - 0.3)
            axes.grid(axis="y")
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
    figure.supylabel("unique neurons of the set", fontsize=8)
    figure.supxlabel(label(NEURONS, "layer"), fontsize=8)
    return figure
