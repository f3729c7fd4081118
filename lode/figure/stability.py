"""Do the sets hold still? Overlap with the sets from all samples, over the number of samples; a panel a selection.

The sub-samples are nested, so the curves end at 1 by construction: what matters is how early they get near it. Dotted:
the overlap of two random sets. In the legend, the split-half reliability of each set's score (Spearman's correlation of
two halves, corrected for all samples). A set can be stable and wrong.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lode.engine.tables import label
from lode.figure import MUTED, WIDTH, Looks, Table, by_site, fill, grid_columns, heading
from lode.table.retests import RETESTS


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One panel for every model, selection and site."""
    retests = [part for table in tables["retests"] for part in by_site(table)]
    columns = min(3, grid_columns(len(retests)))
    rows = -(-len(retests) // columns)
    figure = Figure(figsize=(WIDTH, 2.6 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, table in zip(fill(grid, len(retests)), retests, strict=True):
        _draw_panel(axes, table, looks)
    figure.supxlabel(label(RETESTS, "num_samples"), fontsize=8)
    figure.supylabel("overlap with the set from all samples [Jaccard index]", fontsize=8)
    return figure


def _draw_panel(axes: Axes, table: Table, looks: Looks) -> None:
    rows = table.data.to_pylist()
    for name in looks.in_order(row["set_name"] for row in rows):
        own = [row for row in rows if row["set_name"] == name]
        first = [row for row in own if row["part"] == "first"]
        (half,) = (row for row in own if row["part"] == "half")
        reliability = "–" if half["reliability"] is None else f"{half['reliability']:.2f}"
        sizes = [row["num_samples"] for row in first]
        look = looks.look(name)
        axes.plot(sizes, [row["jaccard"] for row in first], f"-{look.marker}", color=look.colour, markersize=4,
                  linewidth=1.2, label=f"{name} ({reliability})")  # fmt: skip
    chance = np.mean([row["chance_jaccard"] for row in rows if row["part"] == "first"])
    axes.axhline(chance, color=MUTED, linestyle=":", linewidth=1)
    axes.set_ylim(0, 1.03)
    axes.set_xlim(0)
    axes.set_title(heading(table.keys), loc="left")
    axes.grid(axis="y")
    axes.legend(loc="lower right", fontsize=6.5, title="set (split-half reliability)", title_fontsize=6.5)
