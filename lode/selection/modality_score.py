"""Modality score: the share of a neuron's activity that falls to one group.

::

    score[m] = mu[m] / sum_m mu[m],   in [0, 1]

with mu >= 0 the mean over samples of the per-sample mean of |a|, as the activations of a gated layer may be negative
and the score is defined for non-negative ones. A neuron that is never active has 0.

Source: arXiv 2504.11695; docs/methods.md 2.6.
What it does not tell: how active a neuron is: a neuron that does next to nothing, but does it in one group, wins.
Nor whether the share is more than chance, and it takes |a| of -0.2 and of 0.2 for the same.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lode.selection import Scores, Set, need_contrast, read_moments, take_top

MIN_GROUPS = 2
NEEDS: dict[str, object] = {}


def check_options() -> None:
    """There are no options."""


def share(means: Float[np.ndarray, "group *axes"]) -> Float[np.ndarray, "group *axes"]:
    """Each group's share of non-negative means; 0 where all are 0."""
    total = means.sum(0)
    return means / np.where(total > 0, total, 1)


def score_neurons(table: pa.Table, groups: Sequence[str]) -> Scores:
    """The share of every neuron in every group."""
    need_contrast(groups)
    return share(read_moments(table, groups, "abs_mean").mean)


def select_neurons(table: pa.Table, groups: Sequence[str], ratio: float, seed: int) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups), groups, ratio)
