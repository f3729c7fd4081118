"""Which tokens of a reservoir two groups are compared by: no first token, no sinks, as many of one as of the other.

A sink is a token whose state is, at some layer, more than 5 times as long as the median there of all tokens, and of its
own group. Its direction is that of no content, and few of them decide every mean. Source: docs/methods.md 7.11.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

#: How many times the median is too long.
SINK = 5.0
#: The fewest tokens, and clusters, of a group that is compared: more neighbours, and folds, than either needs.
FEWEST_TOKENS, FEWEST_CLUSTERS = 20, 10

Clusters = Shaped[np.ndarray, " token"]
#: Of other tokens; and which are taken.
Others = Shaped[np.ndarray, " other"]
Places = Int[np.ndarray, " taken"]


class Sides(NamedTuple):
    """The tokens of two groups, by their places among all."""

    first: Places
    second: Places


def sinks(norms: Float[np.ndarray, "token layer"], groups: Shaped[np.ndarray, " token"]) -> Bool[np.ndarray, " token"]:
    """Which tokens are a sink at some layer."""
    found = np.zeros(len(norms), dtype=bool)
    whole = np.median(norms, axis=0)
    for group in np.unique(groups):
        own = groups == group
        usual = np.maximum(whole, np.median(norms[own], axis=0))
        found[own] = (norms[own] > SINK * usual).any(1)
    return found


def turns(clusters: Clusters, rng: np.random.Generator) -> Int[np.ndarray, " token"]:
    """How many tokens of its cluster come before each, in a random order."""
    order = np.lexsort((rng.random(len(clusters)), clusters))
    _, starts, sizes = np.unique(clusters[order], return_index=True, return_counts=True)
    found = np.empty(len(clusters), dtype=int)
    found[order] = np.arange(len(clusters)) - np.repeat(starts, sizes)
    return found


def thinned(clusters: Clusters, wanted: Others, count: int, rng: np.random.Generator) -> Places:
    """So many of some tokens: of every cluster first as many as others have of it, then one of each before a second.

    Args:
        clusters: of the tokens, at least `count` of them.
        wanted: of the others.
        count: how many.
        rng: which.
    """
    names, sizes = np.unique(wanted, return_counts=True)
    theirs = dict(zip(names.tolist(), sizes.tolist(), strict=True))
    turn = turns(clusters, rng)
    further = turn >= np.array([theirs.get(name, 0) for name in clusters.tolist()])
    return np.sort(np.lexsort((rng.random(len(clusters)), turn, further))[:count])


def balanced(first: Clusters, second: Others, most: int, seed: int) -> Sides:
    """As many tokens of one group as of the other, from the same clusters where both have them.

    Args:
        first, second: the clusters of the tokens of each group.
        most: of either.
        seed: of which.
    """
    rng = np.random.default_rng([seed, len(first), len(second)])
    count = min(len(first), len(second), most)
    few, many = (first, second) if len(first) <= len(second) else (second, first)
    of_few = thinned(few, many, count, rng)
    of_many = thinned(many, few[of_few], count, rng)
    return Sides(of_few, of_many) if few is first else Sides(of_many, of_few)


def halves(clusters: Clusters, most: int, seed: int) -> Sides:
    """The tokens of one group as two, by halves of its clusters, as many of one as of the other."""
    names = np.unique(clusters)
    other = np.isin(clusters, np.random.default_rng([seed, len(names)]).permutation(names)[: len(names) // 2])
    parts = [np.flatnonzero(side) for side in (~other, other)]
    sides = balanced(clusters[parts[0]], clusters[parts[1]], most, seed)
    return Sides(*(part[side] for part, side in zip(parts, sides, strict=True)))


def is_enough(clusters: Clusters) -> bool:
    """Whether a group has tokens and clusters enough to be compared."""
    return len(clusters) >= FEWEST_TOKENS and len(np.unique(clusters)) >= FEWEST_CLUSTERS
