"""Intervals of means over samples that hold at the boundary, with clusters; closed forms, so no seed and no draws.

A percentile bootstrap has no width where nothing was lost: at n = 80 and a true drop of 0.01 its "95 %" interval holds
the truth in 55 of 100 studies. Instead:

``score_intervals``  a mean of scores in [0, 1]: Wilson's interval at the effective number of samples
``drop_intervals``   a mean of differences in [-1, 1]: losses and gains apart, each as a score, put together by MOVER
``mean_intervals``   a mean without bounds (nats): Student's t, its skewness taken out by Hall's transformation
``simultaneous_interval``  any of them at the level that holds for the best of many

The formulas: docs/methods.md 4.3 to 4.6, and 4.11.

Coverage of 95 % intervals by simulation (8,000 to 20,000 studies; smaller in tests/unit/statistics/test_intervals.py).
Drops of 0 to 0.5: 80 samples 0.956 or more; 20 clusters of 4, or of 1 to 11, samples at intra-class correlation 0.2
0.967 or more, at 0.5 0.948; 20 clusters of 16 at 0.2 0.956, at 0.5 0.88. Nats, 80 samples: normal 0.95, exponential
and lognormal drops 0.94, where 5 % of samples lose much 0.97 (Student's t: 0.88), t with 3 degrees 0.93; 20 unequal
clusters 0.92 or more where many of them lose something. Where few samples lose much no interval knows it: 0.85 for the
difference of two means of which 2 % do, and less of fewer samples or clusters. What is wrong then is the upper end of a
loss, so the lower end of a selectivity where it is others that lose much in few samples: there a verdict rests on its
p-value alone.
"""

from functools import cache

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.stats import t as student

from lode.statistics.clusters import cluster_totals

Series = Float[np.ndarray, " series"]

#: The intra-class correlation that is taken for granted before anything was lost, when none can be estimated.
PRIOR_CORRELATION = 0.2

#: The level of every interval in tables, figures and reports.
LEVEL = 0.95

#: The level of the second interval that `simultaneous_interval` needs: that of the best of 500 at 0.95.
WIDE_LEVEL = 0.9999


@cache
def quantile(num_clusters: float, level: float) -> float:
    """How many standard errors an interval reaches to either side: Student's t of `num_clusters - 1` degrees."""
    assert 0 < level < 1, "the level of an interval lies between 0 and 1"
    return float(student.ppf((1 + level) / 2, max(num_clusters - 1, 1)))


def effective_clusters(sizes: Int[np.ndarray, " cluster"]) -> float:
    """As many clusters of equal size would do: n^2 / sum of size^2 (Kish 1965); a few large ones count for little."""
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


def cluster_deviations(
    values: Float[np.ndarray, "series sample"], clusters: Shaped[np.ndarray, " sample"]
) -> tuple[Series, Float[np.ndarray, "series cluster"], Int[np.ndarray, " cluster"]]:
    """What each cluster adds to the error of a mean: (total - mean * size) / samples, for the ratio estimator.

    The squares of a series add up to the square of its standard error, but for G / (G - 1) with G clusters.

    Returns:
        The means, the deviations in sorted order of the clusters, and the sizes of these.
    """
    totals, sizes = cluster_totals(values, clusters)
    assert len(sizes) > 1, "an interval needs at least two clusters"
    means = totals.sum(axis=1) / sizes.sum()
    return means, (totals - means[:, None] * sizes) / sizes.sum(), sizes


def _variance_ratio(
    values: Float[np.ndarray, "series sample"],
    means: Series,
    deviations: Float[np.ndarray, "series cluster"],
    sizes: Int[np.ndarray, " cluster"],
) -> Series:
    """Variance of each mean over that of as many independent binary scores: samples over *effective* samples.

    Clusters raise it, scores between 0 and 1 lower it. One more loss is pretended, in a cluster of usual size at
    `PRIOR_CORRELATION`: it alone counts where nothing was lost, and little where much was. Clusters never lower it.
    """
    n, num_clusters = values.shape[1], len(sizes)
    prior = 1 + PRIOR_CORRELATION * (np.square(sizes).sum() / n - 1)
    clustered = num_clusters / (num_clusters - 1) * n**2 * np.square(deviations).sum(axis=1)
    independent = np.square(values - means[:, None]).sum(axis=1)
    binary = n * means * (1 - means)
    ratio = np.maximum(clustered + prior, independent + 1) / (binary + 1)
    return np.asarray(ratio)


def score_intervals(
    values: Float[np.ndarray, "series sample"], clusters: Shaped[np.ndarray, " sample"], level: float
) -> tuple[Series, Series]:
    """Intervals of means of scores in [0, 1].

    Wilson's interval (Wilson 1927) with n / (variance ratio) in place of n, as Korn & Graubard (1998) do for surveys,
    and Student's t of effective clusters - 1 degrees in place of the normal quantile.

    Args:
        values: one row a series.
        clusters: the cluster of each sample; at least two.
        level: such as 0.95.

    Returns:
        The lower and the upper end of each series.
    """
    assert np.all((values >= 0) & (values <= 1)), "expected scores in [0, 1]"
    means, deviations, sizes = cluster_deviations(values, clusters)
    ratio = _variance_ratio(values, means, deviations, sizes)
    k = quantile(effective_clusters(sizes), level) ** 2 * ratio / values.shape[1]
    centre = (means + k / 2) / (1 + k)
    half = np.sqrt(k * means * (1 - means) + k**2 / 4) / (1 + k)
    return np.minimum(np.maximum(centre - half, 0), means), np.maximum(np.minimum(centre + half, 1), means)


def drop_intervals(
    drops: Float[np.ndarray, "series sample"], clusters: Shaped[np.ndarray, " sample"], level: float
) -> tuple[Series, Series]:
    """Intervals of means of paired differences in [-1, 1], before - after.

    What is lost and what is gained are two scores in [0, 1]; the interval of their difference is made of theirs (MOVER:
    Newcombe 1998, Zou & Donner 2008), with the correlation over clusters, which is negative or taken as 0.

    Args:
        drops: one row a series; positive where something is lost.
        clusters: the cluster of each sample; at least two.
        level: such as 0.95.
    """
    assert np.all(np.abs(drops) <= 1), "expected differences of scores in [0, 1]"
    parts = [np.maximum(drops, 0), np.maximum(-drops, 0)]
    ends = np.stack([score_intervals(part, clusters, level) for part in parts])  # part, end, series
    found = [cluster_deviations(part, clusters)[:2] for part in parts]
    means, deviations = (np.stack(kind) for kind in zip(*found, strict=True))
    between = np.minimum(correlation_matrices(deviations), 0)
    between[:, [0, 1], [0, 1]] = 1
    _, low, high = mover(means.T, ends[:, 0].T, ends[:, 1].T, between, np.array([1.0, -1.0]))
    return np.maximum(low, -1), np.minimum(high, 1)


def correlation_matrices(
    deviations: Float[np.ndarray, "part series cluster"],
) -> Float[np.ndarray, "series part part"]:
    """How the errors of several means go together, by `cluster_deviations`; 0 beside a mean that has no spread."""
    scale = np.sqrt(np.square(deviations).sum(axis=2, keepdims=True))
    unit = np.divide(deviations, scale, out=np.zeros_like(deviations), where=scale > 0)
    found = np.einsum("isc,jsc->sij", unit, unit)
    diagonal = np.arange(len(deviations))
    found[:, diagonal, diagonal] = 1
    return found


def mover(
    means: Float[np.ndarray, "series part"],
    low: Float[np.ndarray, "series part"],
    high: Float[np.ndarray, "series part"],
    correlations: Float[np.ndarray, "series part part"],
    weights: Float[np.ndarray, " part"],
) -> tuple[Series, Series, Series]:
    """Interval of a weighted sum of means from the intervals of each: the method of variance estimates recovery.

    Each distance from a mean to the end that would pull the sum down (up) stands for an error of that size; errors add
    as correlated ones do. Source: Zou & Donner 2008, Donner & Zou 2012. Two series that move as one cancel.

    Returns:
        The sum, and the lower and the upper end of its interval, for each series.
    """
    value = means @ weights
    down = weights * np.where(weights > 0, means - low, high - means)
    up = weights * np.where(weights > 0, high - means, means - low)
    ends = [np.einsum("si,sij,sj->s", way, correlations, way) for way in (down, up)]
    below, above = (np.sqrt(np.maximum(square, 0)) for square in ends)
    return value, value - below, value + above


def mean_intervals(
    values: Float[np.ndarray, "series sample"], clusters: Shaped[np.ndarray, " sample"], level: float
) -> tuple[Series, Series]:
    """Intervals of means without bounds, such as nats; without width only where all clusters have one mean.

    Student's t of the ratio estimator, effective clusters - 1 degrees, turned by Hall's cubic transformation
    (Hall 1992), so that a few large losses reach further upwards than downwards.

    Args:
        values: one row a series.
        clusters: the cluster of each sample; at least two.
        level: such as 0.95.
    """
    means, deviations, sizes = cluster_deviations(values, clusters)
    squares = np.square(deviations).sum(axis=1)
    error = np.sqrt(len(sizes) / (len(sizes) - 1) * squares)
    skewness = np.divide((deviations**3).sum(axis=1), squares**1.5, out=np.zeros_like(squares), where=squares > 0)
    reach = quantile(effective_clusters(sizes), level)
    return means - error * _untwisted(reach, skewness), means - error * _untwisted(-reach, skewness)


def _untwisted(reach: float, skewness: Series) -> Series:
    """Inverse of Hall's T + a T^2 + a^2 T^3 / 3 + a / 2, a = skewness of the mean / 3: quantiles of a skewed t."""
    a = np.where(np.abs(skewness) < 1e-6, 1e-6, skewness) / 3  # a limit: at 1e-6 the result is within 1e-5 of t's
    return np.asarray((np.cbrt(1 + 3 * a * (reach - a / 2)) - 1) / a)


def smallest_visible_drop(sizes: Int[np.ndarray, " cluster"], level: float) -> float:
    """The largest true drop that goes together with nothing lost at all: a smaller one cannot be told from none.

    The upper end of `drop_intervals` where every difference is 0: 0.047 for 80 samples, each a cluster of its own.

    Args:
        sizes: samples in each cluster; at least two clusters.
        level: such as 0.95.
    """
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    return float(drop_intervals(np.zeros((1, len(clusters))), clusters, level)[1][0])


def simultaneous_interval(
    value: float,
    ends: tuple[float, float],
    wide_ends: tuple[float, float],
    num_clusters: float,
    level: float,
    num_tests: int,
) -> tuple[float, float]:
    """The interval that holds for the best of many: at 1 - (1 - level) / num_tests in place of `level` (Bonferroni).

    What a side reaches is a q + b q^2 of the quantile q, in which skewness and the boundary make b; a and b are those
    that give both intervals. So it can be had once all tests are known, long after the samples were read.

    Args:
        value: the estimate.
        ends: of its interval at `level`.
        wide_ends: of its interval at `WIDE_LEVEL`.
        num_clusters: fewest effective clusters of a benchmark that takes part.
        level: below `WIDE_LEVEL`.
        num_tests: how many estimates the best was taken from.
    """
    assert num_tests > 0, "the estimate is itself a test"
    given, wide, wanted = (quantile(num_clusters, at) for at in (level, WIDE_LEVEL, 1 - (1 - level) / num_tests))
    below, above = (
        _reach(abs(value - near), abs(value - far), given, wide, wanted)
        for near, far in zip(ends, wide_ends, strict=True)
    )
    return value - below, value + above


def _reach(near: float, far: float, given: float, wide: float, wanted: float) -> float:
    """What a side reaches at the quantile `wanted`, where it reaches `near` at `given` and `far` at `wide`."""
    curve = (far / wide - near / given) / (wide - given)
    reached = wanted * (near / given + curve * (wanted - given))
    return max(reached, far * wanted / wide) if wanted > wide else reached
