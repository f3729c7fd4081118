"""Intervals of what is no mean over samples, such as a cosine of centroids: the delete-one-cluster jackknife.

Of G clusters, the estimate t and those without one cluster t(-g): pseudo-values G t - (G - 1) t(-g), whose mean and
Student's t interval of G - 1 degrees are those of the estimate. No seed and no draws. Source: Tukey 1958, Miller 1974;
docs/methods.md 7.11.
"""

import numpy as np
from jaxtyping import Float

from lode.statistics.intervals import LEVEL, mean_intervals


def pseudo_values(estimate: float, without: Float[np.ndarray, " cluster"]) -> Float[np.ndarray, " cluster"]:
    """What each cluster says of an estimate; of a mean over clusters of one size, the means of these.

    Args:
        estimate: of all clusters.
        without: the same of all but one, for each.
    """
    count = len(without)
    return np.asarray(count * estimate - (count - 1) * without)


def jackknife_interval(pseudo: Float[np.ndarray, " cluster"]) -> tuple[float, float]:
    """The 95 % interval of an estimate, or of the difference of two, from (the difference of) their pseudo-values.

    Args:
        pseudo: at least two, in the unit of the estimate.
    """
    low, high = mean_intervals(pseudo[None], np.arange(len(pseudo)), LEVEL)
    return float(low[0]), float(high[0])
