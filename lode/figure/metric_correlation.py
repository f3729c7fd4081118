"""Whether the five importance metrics agree: Spearman's rank correlation over all neurons, a panel a group.

Ties share their mean rank (`prob` has many). A correlation near 1 means that a mix of the two metrics
adds nothing. It does not tell which metric is right, nor whether they agree on the few top neurons.
"""

from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from scipy.stats import rankdata

from lode.figure import INK, WIDTH, Looks, Table, blocks, by_site, fill, grid_columns, heading
from lode.importance import METRICS
from lode.table._dense import dense


def rank_correlation(values: np.ndarray) -> np.ndarray:
    """Spearman's correlation of the rows of (metric, neuron); NaN where a row is constant."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(rankdata(values, axis=1))


def draw(tables: dict[str, list[Table]], looks: Looks) -> Figure:
    """One block of matrices for every importance table and site; no set is drawn, so `looks` does not matter."""
    del looks
    models = []
    for table in chain.from_iterable(map(by_site, tables["importance"])):
        groups, importance = dense(table.data, METRICS)
        occurring = [index for index in range(len(groups)) if importance[:, index].any()]
        matrices = {groups[i]: rank_correlation(importance[:, i].reshape(len(METRICS), -1)) for i in occurring}
        models.append((heading(table.keys), matrices))
    num_columns = max(3, grid_columns(max(len(matrices) for _, matrices in models)))
    num_rows = [-(-len(matrices) // num_columns) for _, matrices in models]
    panel = WIDTH / num_columns
    figure = Figure(figsize=(WIDTH, sum(num_rows) * (panel + 0.15) + 0.25 * len(models)), layout="constrained")
    parts = blocks(figure, [title for title, _ in models], num_rows)
    for part, (_, matrices), rows in zip(parts, models, num_rows, strict=True):
        grid = part.subplots(rows, num_columns, sharex=True, sharey=True, squeeze=False)
        for axes, (group, matrix) in zip(fill(grid, len(matrices)), matrices.items(), strict=True):
            image = _draw_matrix(axes, group, matrix)
        part.colorbar(image, ax=grid, label="Spearman rank correlation", shrink=0.7, aspect=22, pad=0.02)
    return figure


def _draw_matrix(axes: Axes, group: str, matrix: np.ndarray) -> AxesImage:
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
    axes.set_xticks(range(len(METRICS) - 1), METRICS[:-1], rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(METRICS) - 1), METRICS[1:])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image
