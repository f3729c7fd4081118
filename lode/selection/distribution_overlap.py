"""Distribution overlap (DLN): neurons whose activation distributions fall into two parts that do not overlap.

With P_m the histogram of the per-sample mean in group m, normalised::

    O(m, k) = sum_b min(P_m[b], P_k[b]),   in [0, 1]: 0 apart, 1 the same

For each way to part the groups into two sides take the largest O of a pair across; the parting with the smallest
is the neuron's own (of equal ones that with the largest difference of mean activation), and the score 1 minus that
value, in [0, 1]. The neuron goes to the groups of the side whose mean activation is higher. Each group gets
its top floor(K / M), fewer where fewer are its own.

Source: docs/methods.md 2.8 (there all neurons below the 1st percentile of O; here the `ratio` says how many, so that
sets of different selectors have one size). Needs `capture.num_bins`.
What it does not tell: how far apart the sides are, once they are. With few samples against bins even equal
distributions overlap little. A neuron whose side holds several groups is in the set of each.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from lode.selection import Scores, Set, by_block, need_contrast, read_histograms, read_moments, take_top

MIN_GROUPS = 2
NEEDS: dict[str, object] = {"capture.num_bins": 512}


def check_options() -> None:
    """There are no options."""


def partings(num_groups: int) -> Bool[np.ndarray, "parting group"]:
    """Every way to part groups into two sides, once; True for the side of the first group."""
    codes = np.arange(2 ** (num_groups - 1) - 1)
    others = (codes[:, None] >> np.arange(num_groups - 1)) & 1 == 1
    return np.concatenate([np.ones((len(codes), 1), dtype=bool), others], axis=1)


def overlaps(counts: Int[np.ndarray, "group *axes bin"]) -> Float[np.ndarray, "group group *axes"]:
    """O of every pair of groups; each has a sample."""
    shares = counts / counts.sum(-1, keepdims=True)
    result = np.ones((len(counts), *counts.shape[:-1]))
    for one, other in combinations(range(len(counts)), 2):
        result[one, other] = result[other, one] = np.minimum(shares[one], shares[other]).sum(-1)
    return result


def separation(
    counts: Int[np.ndarray, "group *axes bin"], means: Float[np.ndarray, "group *axes"]
) -> Float[np.ndarray, "group *axes"]:
    """1 - O across the best parting for the groups of the more active side, minus infinity for the others.

    Args:
        counts: samples in each bin.
        means: mean activation, which says which side is more active; a side's is that of its groups.
    """
    overlap = overlaps(counts)
    ways = partings(len(counts))
    across = np.stack([overlap[way][:, ~way].max((0, 1)) for way in ways])
    gaps = np.stack([means[way].mean(0) - means[~way].mean(0) for way in ways])
    least = across.min(0)
    best = np.where(across == least, np.abs(gaps), -1).argmax(0)
    first_side = np.moveaxis(ways[best], -1, 0)
    first_is_active = np.take_along_axis(gaps, best[None], 0) > 0
    return np.where(first_side == first_is_active, 1 - least, -np.inf)


def score_neurons(table: pa.Table, groups: Sequence[str]) -> Scores:
    """The separation of every neuron."""
    need_contrast(groups)
    means = read_moments(table, groups, "mean").mean
    return by_block(separation, read_histograms(table, groups), means)


def select_neurons(table: pa.Table, groups: Sequence[str], ratio: float, seed: int) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups), groups, ratio)
