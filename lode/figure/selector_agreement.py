"""Whether selectors choose the same neurons: pairs of selections, a panel for every set.

Below the diagonal the Jaccard index of the two sets (shared neurons over all neurons of both), with the colour; above
it Spearman's correlation of the order in which both rank the neurons they share, a dash under three shared ones. Two
random sets of a share r of all neurons have an index of about r / (2 - r): 0.01 for 2 %. Agreement does not tell that
either is right: selectors that use the same statistic agree, and may both be wrong.
"""

from collections import defaultdict
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lode.engine.errors import UserError
from lode.figure import INK, MUTED, WIDTH, Looks, Table, blocks, by_site, fill, heading
from lode.statistics.stability import agreement

_FEW = 6  # with more selections every panel has the whole width, and the numbers are smaller
_EMPTY = np.empty((0, 2), dtype=np.int64)  # a set that a selection has no neuron for


def ranked_sets(neurons: pa.Table, looks: Looks) -> dict[str, np.ndarray]:
    """The sets that the method chose, an array (neuron, 2) of (layer, neuron) each, the best first."""
    chosen = neurons.filter(pc.equal(neurons["kind"], "method")).sort_by("rank")
    names = np.array(chosen["set_name"].to_pylist(), dtype=object)
    pairs = np.stack([chosen["layer"].to_numpy(), chosen["neuron"].to_numpy()], axis=1).astype(np.int64)
    return {name: pairs[names == name] for name in looks.in_order(names)}


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block of matrices for every model and site."""
    by_model: dict[str, dict[str, dict[str, np.ndarray]]] = defaultdict(dict)
    for table in chain.from_iterable(map(by_site, tables["neurons"])):
        place = heading({name: value for name, value in table.keys.items() if name != "selection"})
        by_model[place][table.keys["selection"]] = ranked_sets(table.data, looks)
    if max(map(len, by_model.values())) < 2:
        raise UserError("the figure selector_agreement compares selections, and there is one; name two or more")
    panels = {
        model: looks.in_order(name for sets in chosen.values() for name in sets) for model, chosen in by_model.items()
    }
    num_columns = 2 if max(map(len, by_model.values())) <= _FEW else 1
    num_rows = [-(-len(names) // num_columns) for names in panels.values()]
    height = (WIDTH - 2) / num_columns + 0.3  # a square panel and its title; names and the colour bar take 2 inches
    figure = Figure(figsize=(WIDTH, sum(num_rows) * height + 1.4 * len(panels)), layout="constrained")
    parts = blocks(figure, list(panels), num_rows)
    for part, (model, names), rows in zip(parts, panels.items(), num_rows, strict=True):
        grid = part.subplots(rows, num_columns, sharex=True, sharey=True, squeeze=False)
        for axes, name in zip(fill(grid, len(names)), names, strict=True):
            image = _draw_matrix(axes, name, {s: sets.get(name, _EMPTY) for s, sets in by_model[model].items()})
        part.colorbar(image, ax=grid, label="Jaccard index", shrink=0.6 / rows, aspect=25, pad=0.02)
    return figure


def _draw_matrix(axes: Axes, title: str, sets: dict[str, np.ndarray]) -> AxesImage:
    overlap, order = agreement(list(sets.values()))
    size = len(sets)
    below = np.tril(np.ones((size, size), dtype=bool), -1)
    image = axes.imshow(np.ma.masked_where(~below | np.isnan(overlap), overlap), cmap="Blues", vmin=0, vmax=1)
    font = 7 if size <= _FEW else 6
    for row, column in zip(*np.nonzero(below | below.T), strict=True):
        value = overlap[row, column] if below[row, column] else order[row, column]
        # Round before the sign is shown, or there is a minus zero.
        places = 2 if below[row, column] or size <= _FEW else 1
        text = "–" if np.isnan(value) else f"{round(value, places) + 0.0:.{places}f}".replace("-", "−")
        ink = ("white" if value > 0.6 else INK) if below[row, column] else MUTED
        axes.text(column, row, text, ha="center", va="center", fontsize=font, color=ink)
    axes.set_title(title, loc="left")
    axes.set_xticks(range(size), list(sets), rotation=45, ha="right", rotation_mode="anchor", fontsize=6.5)
    axes.set_yticks(range(size), list(sets), fontsize=6.5)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image
