"""Margin: how much more active a neuron is in one group than in the next best.

::

    score[m] = mu[m] - max of mu over the other groups

with mu the mean over samples of the per-sample mean. Unbounded, in units of the activation. For any neuron at most one
group has a positive margin, so unlike a difference of means it never praises a neuron shared by two.

Source: docs/methods.md 2.4.
What it does not tell: whether the margin is more than chance, and it favours layers of large activations. Where fewer
than floor(K / M) neurons have a positive margin, the set is filled with negative ones: look at the score.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lode.selection import Scores, Set, need_contrast, others_max, read_moments, take_top

MIN_GROUPS = 2
NEEDS: dict[str, object] = {}


def check_options() -> None:
    """There are no options."""


def margin(means: Float[np.ndarray, "group *axes"]) -> Float[np.ndarray, "group *axes"]:
    """mu[m] less the largest mean of the other groups, of which there is at least one."""
    return means - others_max(means)


def score_neurons(table: pa.Table, groups: Sequence[str]) -> Scores:
    """The margin of every neuron in every group."""
    need_contrast(groups)
    return margin(read_moments(table, groups, "mean").mean)


def select_neurons(table: pa.Table, groups: Sequence[str], ratio: float, seed: int) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups), groups, ratio)
