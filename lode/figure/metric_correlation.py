"""Whether the five importance metrics agree: Spearman's rank correlation over all neurons, a panel a group.

Ties share their mean rank (`prob` has many). A layer in which no group has any importance was not recorded, as of dead
ones, and would tie all its neurons in every metric: it is left out. So is a group that no sample of the site holds, and
a metric that the site lacks, as towers do the two by attention. A correlation near 1 means that a mix of the two
metrics adds nothing. It does not tell which metric is right, nor whether they agree on the few top neurons.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from scipy.stats import rankdata

from lode.figure import INK, WIDTH, Looks, Table, blocks, by_site, fill, grid_columns, heading
from lode.importance import METRICS
from lode.selection import occurring
from lode.table._dense import dense


def rank_correlation(values: np.ndarray) -> np.ndarray:
    """Spearman's correlation of the rows of (metric, neuron); NaN where a row is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(rankdata(values, axis=1))


def correlations(table: pa.Table) -> tuple[list[str], dict[str, Float[np.ndarray, "metric metric"]]]:
    """The metrics that one site has, and their rank correlation over its recorded layers by group that occurs.

    Args:
        table: an importance table of one site.
    """
    metrics = [name for name in METRICS if not table[name].null_count]
    groups, importance = dense(table, metrics)
    recorded = importance[:, :, importance.any((0, 1, 3))]
    present = occurring(table)
    return metrics, {
        name: rank_correlation(of.reshape(len(metrics), -1))
        for name, of in zip(groups, recorded.swapaxes(0, 1), strict=True)
        if name in present
    }


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block of matrices for every importance table and site; no set is drawn, so `looks` does not matter."""
    del looks
    models = []
    for table in chain.from_iterable(map(by_site, tables["importance"])):
        metrics, matrices = correlations(table.data)
        if matrices:
            models.append((heading(table.keys), metrics, matrices))
    num_columns = max(3, grid_columns(max(len(matrices) for *_, matrices in models)))
    num_rows = [-(-len(matrices) // num_columns) for *_, matrices in models]
    panel = WIDTH / num_columns
    figure = Figure(figsize=(WIDTH, sum(num_rows) * (panel + 0.15) + 0.25 * len(models)), layout="constrained")
    parts = blocks(figure, [title for title, *_ in models], num_rows)
    for part, (_, metrics, matrices), rows in zip(parts, models, num_rows, strict=True):
        grid = part.subplots(rows, num_columns, sharex=True, sharey=True, squeeze=False)
        for axes, (group, matrix) in zip(fill(grid, len(matrices)), matrices.items(), strict=True):
            image = _draw_matrix(axes, group, metrics, matrix)
        part.colorbar(image, ax=grid, label="Spearman rank correlation", shrink=0.7, aspect=22, pad=0.02)
    return figure


def _draw_matrix(axes: Axes, group: str, metrics: Sequence[str], matrix: np.ndarray) -> AxesImage:
    """The half of the matrix below its diagonal, with the numbers in the cells."""
    below = np.tril(np.ones(matrix.shape, dtype=bool), -1)[1:, :-1]
    shown = np.ma.masked_where(~below | np.isnan(matrix[1:, :-1]), matrix[1:, :-1])
    image = axes.imshow(shown, cmap="RdBu", vmin=-1, vmax=1)
    for row, column in zip(*np.nonzero(below), strict=True):
        value = matrix[row + 1, column]
        # Constant importance has no ranks to compare; round to two places before the sign is shown.
        text = "–" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if abs(value) > 0.7 else INK)
    axes.set_title(group, loc="left")
    axes.set_xticks(range(len(metrics) - 1), metrics[:-1], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(metrics) - 1), metrics[1:])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image
