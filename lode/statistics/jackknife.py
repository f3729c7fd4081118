"""Intervals of what is no mean over samples, such as a cosine of centroids: the delete-one-cluster jackknife.

Of G clusters, the estimate t and those without one cluster t(-g): pseudo-values G t - (G - 1) t(-g), whose interval as
a mean (`mean_intervals`), moved to t, is that of the estimate. Moved, as their mean is t less G - 1 times what a
smaller sample changes, which of neighbours is mostly noise. No seed and no draws. Source: Tukey 1958, Miller 1974;
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


def jackknife_interval(value: float, pseudo: Float[np.ndarray, " cluster"]) -> tuple[float, float]:
    """The 95 % interval of an estimate, or of the difference of two.

    Args:
        value: the estimate, or the difference of two.
        pseudo: its pseudo-values, or the differences of these; at least two.
    """
    low, high = mean_intervals((pseudo - pseudo.mean())[None], np.arange(len(pseudo)), LEVEL)
    return value + float(low[0]), value + float(high[0])
