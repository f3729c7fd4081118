"""Where a mean curve over states bends: the best line with two breaks, against one straight line.

Of the mean e(l) of samples, l = 0 ... L, over all breaks b < c among the states 1 ... L - 1, by least squares::

    e(l) = a + s l + t max(l - b, 0) + u max(l - c, 0)        slopes s, s + t, s + t + u

    BIC = n ln(R / n) + k ln n,   R the sum of squared residuals, n = L + 1 states, k = 6 (a straight line: 2)

BIC takes the states of a curve for independent, which they are not: of curves that wander without a direction it calls
nearly all. So a curve is called bent where the BIC is lower *and* what the breaks explain, R of the line less that of
the breaks, is more than sampling alone would give: that of the errors of means of resampled clusters, which keep how
states err together, in 95 of 100 cases. Bent says that a straight line does not do, not that there are two breaks: a
curve of one, or a smooth one, is bent as well. Fewer than ten clusters tell too little of how states err. Intervals of
breaks are percentiles over the same resamples. Source: docs/methods.md 7.2; BIC: Schwarz 1978; breaks: Muggeo 2003, who
looks for them between states as well.
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from lode.statistics.clusters import cluster_totals

BENT, LINE, UNTOLD = "bent", "line", "cannot_be_told"
#: Of fewer clusters more than 5 in 100 straight curves would be called bent.
FEWEST_CLUSTERS = 10
#: Resamples of clusters, and the seed of which.
NUM_RESAMPLES, SEED = 1000, 0
#: Parameters of a line, and of a line with two breaks; states that there must be more of.
OF_LINE, OF_BREAKS = 2, 6
#: The largest p that counts.
LARGEST_P = 0.05

Curves = Float[np.ndarray, "curve state"]


class Fit(NamedTuple):
    """The best fits of several curves.

    Attributes:
        of_line: sum of squared residuals of a straight line.
        of_breaks: the same of the best line with two breaks.
        breaks: the states of these.
    """

    of_line: Float[np.ndarray, " curve"]
    of_breaks: Float[np.ndarray, " curve"]
    breaks: Int[np.ndarray, "curve 2"]


class ChangePoints(NamedTuple):
    """What is said of the mean curve of samples.

    Attributes:
        breaks: the states where it bends.
        low, high: ends of their 95 % intervals.
        slopes: before the first, between, and after the second [a state].
        bic_gain: BIC of the line less that of two breaks; above 0, two breaks describe the curve better.
        p_value: how often sampling alone would explain as much by breaks.
        verdict: `bent` or `line`.
    """

    breaks: tuple[int, int]
    low: tuple[float, float]
    high: tuple[float, float]
    slopes: tuple[float, float, float]
    bic_gain: float
    p_value: float
    verdict: str


def columns_of(num_states: int, breaks: tuple[int, ...] = ()) -> Float[np.ndarray, "state column"]:
    """What a curve is made of: a constant, a slope, and a further slope from each break on."""
    states = np.arange(num_states, dtype=np.float64)
    return np.stack([np.ones(num_states), states, *(np.maximum(states - each, 0) for each in breaks)], axis=1)


def residuals(curves: Curves, columns: Float[np.ndarray, "state column"]) -> Float[np.ndarray, " curve"]:
    """The sum of squared residuals of each curve by least squares."""
    basis, _ = np.linalg.qr(columns)
    left = curves - curves @ basis @ basis.T
    return np.asarray(np.square(left).sum(axis=1))


def fit(curves: Curves) -> Fit:
    """The best fits of curves of at least four states."""
    num_states = curves.shape[1]
    pairs = list(combinations(range(1, num_states - 1), 2))
    of_pairs = np.stack([residuals(curves, columns_of(num_states, pair)) for pair in pairs])
    best = of_pairs.argmin(axis=0)
    return Fit(residuals(curves, columns_of(num_states)), of_pairs.min(axis=0), np.array(pairs)[best])


def bic(squares: float, num_states: int, num_parameters: int) -> float:
    """The Bayesian information criterion of a fit, but for a constant: the lower, the better."""
    return float(num_states * np.log(squares / num_states) + num_parameters * np.log(num_states))


def resampled_means(
    values: Float[np.ndarray, "sample state"], clusters: Shaped[np.ndarray, " sample"]
) -> Float[np.ndarray, "resample state"]:
    """Means of samples of which clusters are drawn anew, with replacement."""
    totals, sizes = cluster_totals(values.T, clusters)
    rng = np.random.default_rng(SEED)
    counts = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), NUM_RESAMPLES)
    return np.asarray((counts @ totals.T) / (counts @ sizes)[:, None])


def change_points(
    values: Float[np.ndarray, "sample state"], clusters: Shaped[np.ndarray, " sample"]
) -> ChangePoints | None:
    """Where the mean of samples bends; None of fewer than seven states or ten clusters: nothing can be told.

    Args:
        values: of each sample at states 0 ... L.
        clusters: of the samples.
    """
    num_states, num_clusters = values.shape[1], len(np.unique(clusters))
    if num_states <= OF_BREAKS or num_clusters < FEWEST_CLUSTERS:
        return None
    mean, means = values.mean(axis=0)[None], resampled_means(values, clusters)
    found, again = fit(mean), fit(means)
    errors = fit((means - mean) * np.sqrt(num_clusters / (num_clusters - 1)))
    explained, by_chance = (each.of_line - each.of_breaks for each in (found, errors))
    p_value = float((1 + (by_chance >= explained).sum()) / (1 + NUM_RESAMPLES))
    least = 1e-12 * float(np.square(mean).sum()) + 1e-300  # of a curve that a fit meets in every state
    gain = bic(max(float(found.of_line[0]), least), num_states, OF_LINE) - bic(
        max(float(found.of_breaks[0]), least), num_states, OF_BREAKS
    )
    breaks: tuple[int, int] = tuple(found.breaks[0].tolist())
    parts = np.linalg.lstsq(columns_of(num_states, breaks), mean[0], rcond=None)[0][1:].cumsum().tolist()
    low, high = np.quantile(again.breaks, [0.025, 0.975], axis=0).tolist()
    verdict = BENT if gain > 0 and p_value <= LARGEST_P else LINE
    return ChangePoints(breaks, (low[0], low[1]), (high[0], high[1]), tuple(parts), gain, p_value, verdict)
