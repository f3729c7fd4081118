"""Cluster bootstrap: intervals of means over samples.

The unit of analysis is the sample; samples that share a medium form a cluster and are drawn together, or the
interval would be too narrow. The interval of a difference is that of the series of differences, so it is paired:
both sides see the same resampled clusters.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.stats import bootstrap

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


def _bootstrap(
    totals: Float[np.ndarray, "series cluster"],
    sizes: Int[np.ndarray, " cluster"],
    num_resamples: int,
    confidence_level: float,
    seed: int | Sequence[int],
) -> Any:
    """Scipy's result for the mean over samples of each series, drawing as many clusters as there are (Efron 1979)."""
    assert totals.shape[1] == len(sizes) > 1, "expected the output of cluster_totals, at least two clusters"
    return bootstrap(
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
    )


def cluster_intervals(
    totals: Float[np.ndarray, "series cluster"],
    sizes: Int[np.ndarray, " cluster"],
    num_resamples: int,
    confidence_level: float,
    seed: int,
) -> tuple[Float[np.ndarray, " series"], Float[np.ndarray, " series"]]:
    """Percentile bootstrap intervals of means over samples.

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
    interval = _bootstrap(totals, sizes, num_resamples, confidence_level, seed).confidence_interval
    return interval.low, interval.high


def cluster_draws(
    totals: Float[np.ndarray, "series cluster"],
    sizes: Int[np.ndarray, " cluster"],
    num_resamples: int,
    seed: int | Sequence[int],
) -> Float[np.ndarray, "series draw"]:
    """The resampled means themselves, for a quantity that several benchmarks make up.

    Args:
        totals: as for `cluster_intervals`; every series sees the same draws.
        sizes: samples in each cluster; at least two clusters.
        num_resamples: how many draws.
        seed: a benchmark with a seed of its own is drawn independently of the others.
    """
    return _bootstrap(totals, sizes, num_resamples, 0.95, seed).bootstrap_distribution


def percentile_interval(
    draws: Float[np.ndarray, "*series draw"], confidence_level: float
) -> tuple[Float[np.ndarray, "*series"], Float[np.ndarray, "*series"]]:
    """The ends between which `confidence_level` of the draws lie, tails of equal size."""
    tail = (1 - confidence_level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=-1)
    return np.asarray(low), np.asarray(high)
