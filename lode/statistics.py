"""What the ablation table is judged by: cluster bootstrap intervals, and the rank of an effect among its controls.

The unit of analysis is the sample; samples that share a medium form a cluster and are drawn together, or the
interval would be too narrow. The interval of a difference is that of the series of differences, so it is paired:
both sides see the same resampled clusters. No torch and no tables here: numbers in, numbers out.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.stats import bootstrap

#: Two drops closer than this are equal: rounding is about 1e-16, while shares of n samples differ by 1 / n or more.
TIE = 1e-9
#: Resampled values held in memory at once, 2 MB, which stay in the cache; changes no draw.
_BLOCK = 250_000


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


def cluster_intervals(
    totals: Float[np.ndarray, "series cluster"],
    sizes: Int[np.ndarray, " cluster"],
    num_resamples: int,
    confidence_level: float,
    seed: int,
) -> tuple[Float[np.ndarray, " series"], Float[np.ndarray, " series"]]:
    """Percentile bootstrap intervals of means over samples, drawing as many clusters as there are (Efron 1979).

    A draw's mean is its sum over its number of samples: both vary with the clusters drawn (a ratio estimator).
    Every series sees the same draws.

    Args:
        totals: sums within clusters, from `cluster_totals`, or differences of such sums.
        sizes: samples in each cluster; at least two clusters.
        num_resamples: how many draws.
        confidence_level: the share of draws between the ends, in (0, 1).
        seed: the same seed gives the same draws.

    Returns:
        The lower and the upper end of each series, in the unit of the values.
    """
    assert totals.shape[1] == len(sizes) > 1, "expected the output of cluster_totals, at least two clusters"
    interval = bootstrap(
        (totals, sizes),
        lambda total, size, axis: total.sum(axis=axis) / size.sum(axis=axis),
        axis=-1,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=num_resamples,
        confidence_level=confidence_level,
        batch=max(1, _BLOCK // totals.size),
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return interval.low, interval.high


def rank_p_value(drop: float, control_drops: Sequence[float] | Float[np.ndarray, " control"]) -> float:
    """The share of equally good draws that do at least as much harm: (1 + #(control >= drop)) / (1 + #controls).

    One-sided (harm counts), exact for exchangeable draws (Phipson & Smyth 2010), never below 1 / (1 + #controls), and
    1 without controls. Drops within `TIE` of each other are equal, so rounding cannot turn a tie into a win.

    Args:
        drop: what the method's set costs.
        control_drops: what each matched random draw costs, in the same unit.
    """
    at_least = int(np.count_nonzero(np.asarray(control_drops, dtype=np.float64) >= drop - TIE))
    return (1 + at_least) / (1 + len(control_drops))
