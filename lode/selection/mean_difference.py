"""Difference of means: how much more active a neuron is in one group than in the others.

With mu[m], s2[m], n[m] mean, variance and number of the per-sample means of group m::

    none:      mu[m] - mean of mu over the others            in units of the activation
    cohen_d:   that / sqrt(sum_m (n[m] - 1) s2[m] / df),  df = sum_m (n[m] - 1)
    hedges_g:  that * (1 - 3 / (4 df - 1)), Cohen's d without its bias in small samples

Every other group has the same weight, however many samples hold it; the variance is that within groups. With
two groups these are the textbook d and g. A neuron without variance within groups has 0. Unbounded.

Source: difference of means, Cohen (1988), Hedges (1981); docs/methods.md 2.3.
What it does not tell: `none` favours layers of large activations, the others favour neurons of little variance. A
neuron that serves two groups of five is found in both. The samples of two groups are often the same samples,
and the variance takes no heed of that. d and g rank neurons alike: their ratio is one number.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lode.engine.errors import unknown_name
from lode.selection import Moments, Scores, Set, need_contrast, others_mean, read_moments, take_top

MIN_GROUPS = 2
NEEDS: dict[str, object] = {}
STANDARDS = ("none", "cohen_d", "hedges_g")


def check_options(standardise: str = "none") -> None:
    """Refuse an unknown standardisation."""
    if standardise not in STANDARDS:
        raise unknown_name("standardisation", standardise, STANDARDS)


def difference(moments: Moments, standardise: str) -> Scores:
    """The difference of means, standardised or not.

    Args:
        moments: of the per-sample mean; at least two groups, and two samples each if standardised.
        standardise: one of `STANDARDS`.
    """
    raw = moments.mean - others_mean(moments.mean)
    if standardise == "none":
        return raw
    freedom = (moments.count - 1).sum()
    spread = np.sqrt(((moments.count - 1) * moments.variance).sum(0) / freedom)
    effect = np.divide(raw, spread, out=np.zeros_like(raw), where=spread > 0)
    return effect * (1 - 3 / (4 * freedom - 1)) if standardise == "hedges_g" else effect


def score_neurons(table: pa.Table, groups: Sequence[str], standardise: str = "none") -> Scores:
    """The difference of every neuron in every group."""
    check_options(standardise)
    need_contrast(groups)
    return difference(read_moments(table, groups, "mean", 1 if standardise == "none" else 2), standardise)


def select_neurons(
    table: pa.Table, groups: Sequence[str], ratio: float, seed: int, standardise: str = "none"
) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups, standardise), groups, ratio)
