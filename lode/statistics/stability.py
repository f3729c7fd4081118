"""How far a selection can be trusted: does it come out again on other samples, and do other selectors agree?

Statistics of blocks add up, and block i holds every `capture.blocks`-th sample from i on. So with one capture in 10
blocks of 10 samples the first, the first 3 and all 10 blocks are nested sub-samples of 10, 30 and 100 samples, and the
even and the odd blocks are two halves: `lode.importance.aggregation.importance_columns` on some of the blocks gives the
importance table of that sub-sample, and a selector does the rest. Nothing is captured twice. Shards are blocks of whole
jobs.

docs/methods.md 4.16. No torch and no tables here: sets and scores in, numbers out.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from lode.engine.errors import UserError
from lode.neurons import Pairs
from lode.selection import Scores


def nested(shard_sizes: Sequence[int], num_samples: Sequence[int]) -> dict[int, int]:
    """How many of the first shards hold so many samples.

    Args:
        shard_sizes: samples in each shard, in order.
        num_samples: sizes of sub-samples asked for.

    Raises:
        UserError: no prefix of the shards has one of these sizes.
    """
    sizes = np.cumsum(shard_sizes).tolist()
    for size in num_samples:
        if size not in sizes:
            raise UserError(
                f"no first shards hold {size} samples; {len(sizes)} shards make sub-samples of "
                f"{', '.join(map(str, sizes))}. Capture in more blocks (capture.blocks)"
            )
    return {size: sizes.index(size) + 1 for size in num_samples}


def halves(num_shards: int) -> tuple[list[int], list[int]]:
    """The even and the odd shards, of equal number; of an odd number of shards the last is left out."""
    if num_shards < 2:
        raise UserError(f"{num_shards} shard cannot be halved; capture in 2 or more (capture.blocks)")
    even = num_shards - num_shards % 2
    return list(range(0, even, 2)), list(range(1, even, 2))


def jaccard(one: Pairs, other: Pairs) -> float:
    """Shared neurons over all neurons of two sets, in [0, 1]; NaN where both are empty."""
    first, second = ({*map(tuple, pairs.tolist())} for pairs in (one, other))
    return len(first & second) / len(first | second) if first or second else float("nan")


def chance_jaccard(num_one: int, num_other: int, num_total: int) -> float:
    """Roughly the Jaccard index of two random sets: that of the expected number of shared neurons."""
    shared = num_one * num_other / num_total
    return shared / (num_one + num_other - shared)


def stability(full: Mapping[str, Pairs], parts: Mapping[int, Mapping[str, Pairs]]) -> dict[int, dict[str, float]]:
    """Jaccard index of the sets from fewer samples with those from all.

    Args:
        full: the set of each group from all samples.
        parts: by number of samples the sets from so many. They are nested, so the index is not that of two
            independent draws: it says when more samples stop changing the set.
    """
    return {size: {name: jaccard(full[name], pairs) for name, pairs in sets.items()} for size, sets in parts.items()}


class Reliability(NamedTuple):
    """How well two halves of the samples rank neurons alike."""

    correlation: float  # Spearman's, between the halves
    corrected: float  # what Spearman and Brown's formula makes of it for all samples together


def split_half(one: Scores, other: Scores) -> list[Reliability]:
    """Split-half reliability of a selector's score in each group, over all neurons.

    Args:
        one, other: `score_neurons` on the two halves; minus infinity ranks lowest.
    """
    return [
        Reliability(correlation, spearman_brown(correlation))
        for correlation in (rank_correlation(a.ravel(), b.ravel()) for a, b in zip(one, other, strict=True))
    ]


def spearman_brown(correlation: float) -> float:
    """The reliability of twice as many samples: 2 r / (1 + r); r itself where it is negative, as there is none."""
    return 2 * correlation / (1 + correlation) if correlation > 0 else correlation


def rank_correlation(one: Float[np.ndarray, "n"], other: Float[np.ndarray, "n"]) -> float:
    """Spearman's correlation, ties sharing their mean rank; NaN where one is constant or there are fewer than two."""
    first, second = (rankdata(values) for values in (one, other))
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def shared_rank_correlation(one: Pairs, other: Pairs) -> float:
    """Spearman's correlation of the places that two sets, best first, give the neurons they share; NaN under three."""
    places = {pair: place for place, pair in enumerate(map(tuple, other.tolist()))}
    shared = [(place, places[pair]) for place, pair in enumerate(map(tuple, one.tolist())) if pair in places]
    if len(shared) < 3:
        return float("nan")
    first, second = np.array(shared, dtype=np.float64).T
    return rank_correlation(first, second)


def agreement(
    sets: Sequence[Pairs],
) -> tuple[Float[np.ndarray, "selector selector"], Float[np.ndarray, "selector selector"]]:
    """How far selectors agree on one group.

    Args:
        sets: one of each selector, best first.

    Returns:
        The Jaccard index of every pair of sets, and the rank correlation over the neurons that both chose.
    """
    overlap = [[jaccard(one, other) for other in sets] for one in sets]
    order = [[shared_rank_correlation(one, other) for other in sets] for one in sets]
    return np.array(overlap, dtype=np.float64), np.array(order, dtype=np.float64)
