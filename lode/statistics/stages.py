"""Three stages of the entropy of a group's tokens by depth, as contrasts that are declared before a curve is seen.

Of a sample with mean entropy e(l) at state l = 0 ... L (docs/methods.md 7.2)::

    first   e(1) - e(0)                                  claimed: above `middle`, so that it is a stage of its own
    middle  (e(b) - e(a)) / (b - a), a = ceil(L / 4), b = floor(3 L / 4)   claimed: below 0, and below every null's
    last    e(L) - e(L - 1)                              claimed: above 0
    rise    e(L) - e(m), m the layer of the lowest mean of the *other* half of the clusters   claimed: above 0

A claim holds where the whole 95 % interval does; three stages, where all four do. `rise` is found on one half and
tested on the other, both ways round: a minimum taken on the same samples would lie below the end by chance.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from lode.statistics.intervals import LEVEL, mean_intervals

#: In the order of depth.
CONTRASTS = ("first", "middle", "last", "rise")
YES, NO, UNTOLD, UNASKED = "yes", "no", "cannot_be_told", "not_asked"

Entropies = Float[np.ndarray, "sample state"]


class Mean(NamedTuple):
    """A mean over samples with its 95 % interval; None where there is one cluster."""

    value: float
    low: float | None
    high: float | None


def mean_of(values: Float[np.ndarray, " sample"], clusters: Shaped[np.ndarray, " sample"]) -> Mean:
    """The mean of samples, whose clusters err together."""
    value = float(values.mean())
    if len(np.unique(clusters)) < 2:
        return Mean(value, None, None)
    low, high = mean_intervals(values[None], clusters, LEVEL)
    return Mean(value, float(low[0]), float(high[0]))


def first_half(clusters: Shaped[np.ndarray, " sample"]) -> Bool[np.ndarray, " sample"]:
    """Which samples are in the first of two halves, cluster by cluster, by the digests of their names."""
    names = sorted(set(clusters.tolist()), key=lambda name: sha256(str(name).encode()).hexdigest())
    return np.isin(clusters, names[: len(names) // 2])


def middle_layers(num_layers: int) -> tuple[int, int]:
    """Between which states the middle lies: a quarter and three quarters of the depth, a layer apart at least."""
    start = ceil(num_layers / 4)
    return start, max(floor(3 * num_layers / 4), start + 1)


def contrasts(entropy: Entropies, clusters: Shaped[np.ndarray, " sample"]) -> dict[str, Float[np.ndarray, " sample"]]:
    """The contrasts of every sample, by name.

    Args:
        entropy: of states 0 ... L, at least three [nats].
        clusters: of the samples.
    """
    last = entropy.shape[1] - 1
    assert last >= 2, "stages need two layers at least"
    start, end = middle_layers(last)
    half = first_half(clusters)
    rise = np.empty(len(entropy))
    for own in (half, ~half):
        other = entropy[~own] if (~own).any() else entropy
        rise[own] = entropy[own, last] - entropy[own, int(other.mean(0).argmin())]
    return {
        "first": entropy[:, 1] - entropy[:, 0],
        "middle": (entropy[:, end] - entropy[:, start]) / (end - start),
        "last": entropy[:, last] - entropy[:, last - 1],
        "rise": rise,
    }


def is_below(mean: Mean, bound: float | None) -> str:
    """Whether the whole interval of a mean lies below a number."""
    return UNTOLD if mean.high is None or bound is None else YES if mean.high < bound else NO


def is_above(mean: Mean, bound: float | None) -> str:
    """Whether it lies above."""
    return UNTOLD if mean.low is None or bound is None else YES if mean.low > bound else NO


def claims(means: Mapping[str, Mean]) -> dict[str, str]:
    """Whether each contrast is as claimed, beside 0 (`first`: beside `middle`)."""
    return {
        "first": is_above(means["first"], means["middle"].high),
        "middle": is_below(means["middle"], 0.0),
        "last": is_above(means["last"], 0.0),
        "rise": is_above(means["rise"], 0.0),
    }


def against_null(contrast: str, difference: Mean) -> str:
    """Whether a contrast is beyond that of a null: of the fall alone it is claimed."""
    return is_below(difference, 0.0) if contrast == "middle" else UNASKED


def all_of(verdicts: Sequence[str]) -> str:
    """Yes where all are that are asked, no where one is no, else what cannot be told."""
    asked = [verdict for verdict in verdicts if verdict != UNASKED]
    return NO if NO in asked else UNTOLD if UNTOLD in asked else YES
