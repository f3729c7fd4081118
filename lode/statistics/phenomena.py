"""Probing and telomeres: indices of how near the tokens of a group come to those of a bank, layer by layer.

Names and definitions are ours, and claim nothing of what others call so. Reach: `lode/statistics/reach.py`.

``probing``   mean reach of a group at a layer less that at the input of the first
``telomere``  mean reach of a group less that of the bank itself; above 0 it is nearer to the bank than the bank is

Intervals: the jackknife by clusters, of tokens whose reach is as it is: what another bank would change is not in it.
A telomere is said beside labels dealt anew among ids, with their bank: tokens of one id are alike, so that a few ids
lead or trail by chance however many tokens they have. Tokens that stand for media count as one id.
Source: docs/methods.md 7.13.
"""

from collections.abc import Sequence
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lode.statistics.approach import Difference, difference
from lode.statistics.convergence import Estimate, estimate
from lode.statistics.panel import ends
from lode.statistics.reach import Tokens, drawn_labels, longest_run, reach, reach_of_units, relabelled
from lode.statistics.significance import rank_p_value

PROBING, TELOMERE = "probing", "telomere"
#: The point of the distribution over tokens that is told beside the mean.
TAIL = 0.95
#: The points of draws that bound their range; an index above the second is one of few.
RANGE = (0.05, 0.95)
#: Of fewer ways to deal labels no p reaches 0.05: nothing can be told.
FEWEST_WAYS = 20


class Reached(NamedTuple):
    """The reach of the tokens of a group.

    Attributes:
        values: at every layer.
        clusters: of each token, numbered over all groups together.
    """

    values: Float[np.ndarray, "token layer"]
    clusters: Int[np.ndarray, " token"]


class Labels(NamedTuple):
    """Which ids are of a group, and labels dealt anew.

    Attributes:
        units: of the tokens of the group, then of those of the bank: by their ids.
        draws: of each which units are the group.
    """

    units: Int[np.ndarray, " token"]
    draws: Bool[np.ndarray, "draw unit"]


class Relabelled(NamedTuple):
    """An index beside those of labels dealt anew, layer by layer."""

    low: Float[np.ndarray, " layer"]
    high: Float[np.ndarray, " layer"]
    p_values: list[float]


def labels_of(
    group: Int[np.ndarray, " token"], bank: Int[np.ndarray, " other"], count: int, seed: int
) -> Labels | None:
    """Labels dealt anew among ids; None where there are too few ways to deal them.

    Args:
        group, bank: the ids of the tokens of both.
        count: draws.
        seed: of these.
    """
    (own, mine), (other, theirs) = (np.unique(ids, return_inverse=True) for ids in (group, bank))
    if comb(len(own) + len(other), len(own)) < FEWEST_WAYS:
        return None
    return Labels(np.concatenate([mine, len(own) + theirs]), drawn_labels(len(own) + len(other), len(own), count, seed))


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


def beside_labels(index: Sequence[Estimate], tokens: Sequence[Tokens], labels: Labels) -> Relabelled:
    """A telomere index beside those of labels dealt anew.

    Args:
        index: of the group, layer by layer.
        tokens: at each layer those of the group, then those of the bank.
        labels: `labels_of` these.
    """
    nulls = np.stack([relabelled(reach_of_units(of, labels.units), *labels) for of in tokens], axis=1)
    p_values = [rank_p_value(here.value, null) for here, null in zip(index, nulls.T, strict=True)]
    low, high = np.quantile(nulls, RANGE, axis=0)
    return Relabelled(low, high, p_values)


def leads(index: Sequence[Estimate], null: Relabelled) -> Bool[np.ndarray, " layer"]:
    """At which states from 1 on a telomere index lies above 0, by its whole interval, and above the range of its draws.

    State 0 is before any layer: what it shows is the embedding.
    """
    above = np.array([low is not None and low > 0 for low, _ in map(ends, index)])
    found = above & (np.array([here.value for here in index]) > null.high)
    found[0] = False
    return np.asarray(found)


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
