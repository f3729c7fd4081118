"""Distribution overlap (DLN): neurons whose activation distributions fall into two groups that do not overlap.

With P_m the histogram of the per-sample mean in modality m, normalised::

    O(m, k) = sum_b min(P_m[b], P_k[b]),   in [0, 1]: 0 apart, 1 the same

For each way to part the modalities into two groups take the largest O of a pair across; the parting with the smallest
is the neuron's own (of equal ones that with the largest difference of mean activation), and the score 1 minus that
value, in [0, 1]. The neuron goes to the modalities of the group whose mean activation is higher. Each modality gets
its top floor(K / M), fewer where fewer are its own.

Source: docs/methods.md 2.8 (there all neurons below the 1st percentile of O; here the `ratio` says how many, so that
sets of different selectors have one size). Needs `capture.num_bins`.
What it does not tell: how far apart the groups are, once they are. With few samples against bins even equal
distributions overlap little. A neuron whose group holds several modalities is in the set of each.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from lode.selection import Scores, Set, by_block, need_contrast, read_histograms, read_moments, take_top

MIN_MODALITIES = 2
NEEDS: dict[str, object] = {"capture.num_bins": 512}


def check_options() -> None:
    """There are no options."""


def partings(num_modalities: int) -> Bool[np.ndarray, "parting modality"]:
    """Every way to part modalities into two groups, once; True for the group of the first modality."""
    codes = np.arange(2 ** (num_modalities - 1) - 1)
    others = (codes[:, None] >> np.arange(num_modalities - 1)) & 1 == 1
    return np.concatenate([np.ones((len(codes), 1), dtype=bool), others], axis=1)


def overlaps(counts: Int[np.ndarray, "modality *axes bin"]) -> Float[np.ndarray, "modality modality *axes"]:
    """O of every pair of modalities; each has a sample."""
    shares = counts / counts.sum(-1, keepdims=True)
    result = np.ones((len(counts), *counts.shape[:-1]))
    for one, other in combinations(range(len(counts)), 2):
        result[one, other] = result[other, one] = np.minimum(shares[one], shares[other]).sum(-1)
    return result


def separation(
    counts: Int[np.ndarray, "modality *axes bin"], means: Float[np.ndarray, "modality *axes"]
) -> Float[np.ndarray, "modality *axes"]:
    """1 - O across the best parting for the modalities of the more active group, minus infinity for the others.

    Args:
        counts: samples in each bin.
        means: mean activation, which says which group is more active; a group's is that of its modalities.
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


def score_neurons(table: pa.Table, modalities: Sequence[str]) -> Scores:
    """The separation of every neuron."""
    need_contrast(modalities)
    means = read_moments(table, modalities, "mean").mean
    return by_block(separation, read_histograms(table, modalities), means)


def select_neurons(table: pa.Table, modalities: Sequence[str], ratio: float, seed: int) -> dict[str, Set]:
    """The plug-in entry: each modality's top floor(K / M)."""
    return take_top(score_neurons(table, modalities), modalities, ratio)
