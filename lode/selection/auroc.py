"""AUROC: how well a neuron's activation detects a group.

The probability that the per-sample mean of a random sample of group m is above that of a random sample of the other
groups, ties counting half; from histograms with fixed bins, so that values in one bin are ties::

    score[m] = (sum of mid-ranks of m's samples - n (n + 1) / 2) / (n n'),   in [0, 1], 0.5 by chance

Source: Mann and Whitney (1947), Hanley and McNeil (1982); docs/methods.md 2.7. Needs `capture.num_bins`.
What it does not tell: how far apart the two are, once they are apart: a whole layer may have 1. Values near 0 detect
the group by silence and are not chosen. A group held by many samples weighs more among the others.
Bins lose order: on tiny_qwen2_vl the area of the worst neuron is off by 0.2 with 64 bins and 0.03 with 512, where the
top 20 stay the same (`tests/oracle/test_bins.py`).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from lode.selection import Scores, Set, by_block, need_contrast, read_histograms, take_top

MIN_GROUPS = 2
NEEDS: dict[str, object] = {"capture.num_bins": 512}


def check_options() -> None:
    """There are no options."""


def auroc(counts: Int[np.ndarray, "group *axes bin"]) -> Float[np.ndarray, "group *axes"]:
    """The area of each group against all others; 0.5 where all values share one bin.

    Args:
        counts: samples in each bin, bins in rising order; every group has a sample.
    """
    pooled = counts.sum(0, dtype=np.float64)
    below = np.cumsum(pooled, axis=-1) - pooled / 2  # pooled samples below the middle of the bin's ties
    own = counts.astype(np.float64)
    size = own.sum(-1)
    return (np.einsum("m...b,...b->m...", own, below) - size**2 / 2) / (size * (pooled.sum(-1) - size))


def score_neurons(table: pa.Table, groups: Sequence[str]) -> Scores:
    """The area of every neuron in every group."""
    need_contrast(groups)
    return by_block(auroc, read_histograms(table, groups))


def select_neurons(table: pa.Table, groups: Sequence[str], ratio: float, seed: int) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups), groups, ratio)
