"""Clusters: samples that share a medium or content. The unit of analysis is the sample; clusters err as one.

Source: docs/methods.md 4.2.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped


def cluster_totals(
    values: Float[np.ndarray, "series sample"], clusters: Shaped[np.ndarray, " sample"]
) -> tuple[Float[np.ndarray, "series cluster"], Int[np.ndarray, " cluster"]]:
    """Sum each series within clusters; `totals.sum(1) / sizes.sum()` is the mean of a series over samples.

    Args:
        values: one row per series, in any unit.
        clusters: the cluster of each sample; any sortable labels.

    Returns:
        Sums and numbers of samples, both in sorted order of the labels. The order of samples in `values` matters to
        no more than rounding.
    """
    assert values.shape[1] == len(clusters) > 0, "values and clusters must describe the same samples, at least one"
    order = np.argsort(clusters, kind="stable")
    _, starts, sizes = np.unique(clusters[order], return_index=True, return_counts=True)
    return np.add.reduceat(values[:, order], starts, axis=1), sizes
