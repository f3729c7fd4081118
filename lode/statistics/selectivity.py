"""Does a set cost more where it should? Selectivity and CRANE's specificity F.

Both compare the drops of one set on its own benchmarks with its drops on the others. Selectivity is a difference of
*shares*, drop / (clean - chance), so that benchmarks of different units can be compared: 1 where all that the clean
model has above chance is lost on the own benchmarks and nothing elsewhere, and negative where others lose more. F is 0
where nothing of its own is lost. Source: docs/methods.md 4.8 and 4.9.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from lode.statistics.intervals import WIDE_LEVEL, Series, cluster_deviations, correlation_matrices, mover


def share_weights(
    own: Bool[np.ndarray, " benchmark"], above_chance: Float[np.ndarray, " benchmark"]
) -> Float[np.ndarray, " benchmark"]:
    """Weights w such that `drops @ w` is the mean share lost on the own benchmarks minus that on the others.

    Args:
        own: which benchmarks are the set's own; at least one is and one is not.
        above_chance: clean - chance of each, above 0: leave a benchmark out where the clean model is not above chance.
    """
    assert 0 < own.sum() < len(own), "selectivity compares own benchmarks with others"
    assert np.all(above_chance > 0), "a share needs a clean model above chance"
    return np.where(own, 1 / own.sum(), -1 / (~own).sum()) / above_chance


class Selectivities(NamedTuple):
    """Selectivity of several sets over the same benchmarks, with the ends of its interval.

    The wide ends, at `WIDE_LEVEL`, are for `simultaneous_interval`.
    """

    value: Series
    low: Series
    high: Series
    wide_low: Series
    wide_high: Series
    standard_error: Series


def selectivity_intervals(
    drops: Sequence[Float[np.ndarray, "series _"]],
    clusters: Sequence[Shaped[np.ndarray, " _"]],
    weights: Float[np.ndarray, " benchmark"],
    intervals: Sequence[Callable[..., tuple[Series, Series]]],
    level: float,
) -> Selectivities:
    """Selectivity with an interval that holds at the boundary and keeps the pairing of benchmarks that share content.

    A cluster that occurs in several benchmarks (the same words as text and as image) errs in all of them at once: what
    it adds to one difference it takes from the other. Errors are joined by the ids of clusters, as if equal ids were
    always resampled together, and the interval of each benchmark enters by MOVER. There is no draw, so neither a seed
    nor the names or the order of benchmarks matter.

    clean - chance is taken as known: where clean accuracy is sampled too, coverage at a share of 0.2 is within 0.02 of
    that of the resampled ratio, and nearer to nominal or above it where much is lost (simulation, n = 80).

    Args:
        drops: for each benchmark clean - switched of every sample (a row a set, the same sets everywhere).
        clusters: for each benchmark the cluster of each sample; equal ids mean equal content everywhere.
        weights: from `share_weights`.
        intervals: for each benchmark `drop_intervals` for scores in [0, 1], `mean_intervals` for nats.
        level: such as 0.95.
    """
    ids, means, deviations = np.unique(np.concatenate(list(clusters))), [], []
    for of_samples, of_clusters in zip(drops, clusters, strict=True):
        mean, deviation, sizes = cluster_deviations(of_samples, of_clusters)
        placed = np.zeros((len(mean), len(ids)))
        placed[:, np.searchsorted(ids, np.unique(of_clusters))] = deviation * np.sqrt(len(sizes) / (len(sizes) - 1))
        means.append(mean)
        deviations.append(placed)
    joint, values = np.stack(deviations), np.stack(means, axis=1)
    correlations = correlation_matrices(joint)

    def ends(at: float) -> tuple[Series, Series]:
        of_benchmarks = [interval(*given, at) for interval, *given in zip(intervals, drops, clusters, strict=True)]
        low, high = (np.stack(side, axis=1) for side in zip(*of_benchmarks, strict=True))
        return mover(values, low, high, correlations, weights)[1:]

    error = np.sqrt(np.square(np.einsum("bsc,b->sc", joint, weights)).sum(axis=1))
    return Selectivities(values @ weights, *ends(level), *ends(WIDE_LEVEL), error)


def specificity_f(
    drops: Float[np.ndarray, " benchmark"], clean: Float[np.ndarray, " benchmark"], own: Bool[np.ndarray, " benchmark"]
) -> float:
    """CRANE's specificity F (arXiv 2601.04664): F = 2 P R / (P + R), with drops clipped at 0.

    P = d / (d + mean of the others): of what is lost, the share that is the set's own. R = d / full: of what the clean
    model can do on the set's own benchmarks, the share that is lost. d and full are means over the own benchmarks.

    Args:
        drops: clean - switched.
        clean: scores of the clean model.
        own: as for `share_weights`.

    Returns:
        0 where nothing of its own is lost; in [0, 1] where d is at most full. Shares of a log-likelihood can pass 1,
        where a model does worse than a guess, and then F does.
    """
    assert 0 < own.sum() < len(own), "specificity compares own benchmarks with others"
    lost = np.maximum(drops, 0)
    of_own, of_others, full = lost[own].mean(), lost[~own].mean(), clean[own].mean()
    if of_own == 0:
        return 0.0
    precision, recall = of_own / (of_own + of_others), of_own / full
    return float(2 * precision * recall / (precision + recall))
