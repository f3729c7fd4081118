"""Probing and telomeres: indices of how near the tokens of a group come to those of a bank, layer by layer.

Names and definitions are ours, and claim nothing of what others call so. Reach: `lode/statistics/reach.py`.

``probing``   mean reach of a group at a layer less that at the input of the first
``telomere``  mean reach of a group less that of the bank itself; above 0 it is nearer to the bank than the bank is

Intervals: the jackknife by clusters, of tokens whose reach is as it is: what another bank would change is not in it.
Source: docs/methods.md 7.13.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lode.statistics.approach import Difference, difference
from lode.statistics.convergence import Estimate, estimate
from lode.statistics.reach import Tokens, longest_run, reach
from lode.statistics.significance import rank_p_value

PROBING, TELOMERE = "probing", "telomere"
#: The point of the distribution over tokens that is told beside the mean.
TAIL = 0.95
#: The points of matched draws that bound their range; an index above the second is one of few.
RANGE = (0.05, 0.95)


class Reached(NamedTuple):
    """The reach of the tokens of a group.

    Attributes:
        values: at every layer.
        clusters: of each token, numbered over all groups together.
    """

    values: Float[np.ndarray, "token layer"]
    clusters: Int[np.ndarray, " token"]


class Matched(NamedTuple):
    """An index beside that of tokens of the bank which are matched to those of the group, layer by layer."""

    low: Float[np.ndarray, " layer"]
    high: Float[np.ndarray, " layer"]
    p_values: list[float]


def reached(tokens: Sequence[Tokens], bank: Sequence[Tokens], clusters: Int[np.ndarray, " token"]) -> Reached:
    """The reach of tokens at every layer.

    Args:
        tokens, bank: those of the group, and those of the bank, at each layer.
        clusters: of the tokens of the group, numbered.
    """
    return Reached(np.stack([reach(*pair) for pair in zip(tokens, bank, strict=True)], axis=1), clusters)


def means(found: Reached, count: int) -> Float[np.ndarray, "estimate layer"]:
    """The mean over tokens, followed by those without each of the clusters; NaN of no token."""
    totals, sizes = np.zeros((count, found.values.shape[1])), np.bincount(found.clusters, minlength=count)
    np.add.at(totals, found.clusters, found.values)
    left = np.concatenate([totals.sum(0)[None], totals.sum(0) - totals])
    numbers = np.concatenate([[sizes.sum()], sizes.sum() - sizes])[:, None]
    return np.divide(left, numbers, out=np.full_like(left, np.nan), where=numbers > 0)


def probing(group: Reached, count: int) -> list[Estimate]:
    """Layer by layer, of so many clusters."""
    found = means(group, count)
    return [estimate(values) for values in (found - found[:, :1]).T]


def telomere(group: Reached, bank: Reached, count: int) -> list[Estimate]:
    """Layer by layer, of so many clusters."""
    return [estimate(values) for values in (means(group, count) - means(bank, count)).T]


def matched(index: Sequence[Estimate], bank: Reached, draws: Int[np.ndarray, "draw token"]) -> Matched:
    """A telomere index beside that of draws of as many tokens of the bank (`matched_draws`)."""
    nulls = bank.values[draws].mean(1) - bank.values.mean(0)
    p_values = [rank_p_value(here.value, null) for here, null in zip(index, nulls.T, strict=True)]
    low, high = np.quantile(nulls, RANGE, axis=0)
    return Matched(low, high, p_values)


def leads(index: Sequence[Estimate], null: Matched) -> Bool[np.ndarray, " layer"]:
    """At which layers a telomere index lies above 0, and above the range of its draws: those may lie below 0."""
    return np.array([here.value for here in index]) > np.maximum(null.high, 0)


def differences(clean: Sequence[Estimate], variants: Sequence[Sequence[Estimate]]) -> list[list[Difference]]:
    """Of every variant, layer by layer, the clean index less its own."""
    return [[difference(*pair) for pair in zip(clean, of, strict=True)] for of in variants]


def stands_out(
    intervals: Sequence[tuple[float | None, float | None]], beside: Sequence[Sequence[Difference]]
) -> Bool[np.ndarray, " layer"]:
    """At which layers an index lies above 0, and above that of every variant, by whole intervals."""
    own = np.array([low is not None and low > 0 for low, _ in intervals])
    return np.asarray(own & np.array([[each.low > 0 for each in of] for of in beside], dtype=bool).all(0))


def persistence(flags: Bool[np.ndarray, " layer"]) -> int:
    """The most layers in a row at which an index stands out."""
    return longest_run(flags)
