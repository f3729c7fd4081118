"""Does a mask cost more where it should? Selectivity and CRANE's specificity F.

Both compare the drops of one mask on its own benchmarks with its drops on the others. Selectivity is a difference, in
points of score, and can be negative; F is a share in [0, 1] that is 0 where nothing of its own is lost.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from lode.statistics.bootstrap import percentile_interval


def selectivity(
    drops: Float[np.ndarray, "*series benchmark"], own: Bool[np.ndarray, " benchmark"]
) -> Float[np.ndarray, "*series"]:
    """Mean drop on the mask's own benchmarks minus mean drop on the others (METHODS 4).

    Args:
        drops: clean - switched, in points of score.
        own: which benchmarks are the mask's own; at least one is and one is not.
    """
    assert 0 < own.sum() < len(own), "selectivity compares own benchmarks with others"
    return np.asarray(drops[..., own].mean(axis=-1) - drops[..., ~own].mean(axis=-1))


def selectivity_interval(
    draws: Sequence[Float[np.ndarray, " draw"]], own: Bool[np.ndarray, " benchmark"], confidence_level: float
) -> tuple[float, float]:
    """Percentile interval of the selectivity of one mask.

    Args:
        draws: for each benchmark the resampled drops, from `cluster_draws`: clusters drawn independently in each
            benchmark, and within one the same draws for every mask, so that masks can be compared.
        own: as for `selectivity`.
        confidence_level: the share of draws between the ends, in (0, 1).
    """
    low, high = percentile_interval(selectivity(np.stack(draws, axis=-1), own), confidence_level)
    return float(low), float(high)


def specificity_f(
    drops: Float[np.ndarray, " benchmark"], clean: Float[np.ndarray, " benchmark"], own: Bool[np.ndarray, " benchmark"]
) -> float:
    """CRANE's specificity F (arXiv 2601.04664): F = 2 P R / (P + R), with drops clipped at 0.

    P = d / (d + mean of the others): of what is lost, the share that is the mask's own. R = d / full: of what the clean
    model can do on the mask's own benchmarks, the share that is lost. d and full are means over the own benchmarks.

    Args:
        drops: clean - switched.
        clean: scores of the clean model.
        own: as for `selectivity`.

    Returns:
        A number in [0, 1]; 0 where nothing of its own is lost.
    """
    assert 0 < own.sum() < len(own), "specificity compares own benchmarks with others"
    lost = np.maximum(drops, 0)
    of_own, of_others, full = lost[own].mean(), lost[~own].mean(), clean[own].mean()
    if of_own == 0:
        return 0.0
    precision, recall = of_own / (of_own + of_others), of_own / full
    return float(2 * precision * recall / (precision + recall))
