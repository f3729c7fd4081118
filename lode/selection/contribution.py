"""Contribution: how much a neuron writes into the residual stream on the tokens of a group.

On the hidden site h = gate * up, the input of down_proj, with w_n the column of down_proj that neuron n writes::

    c[m, n] = mean over samples of the per-sample mean of |h_n|, times ||w_n||_2,   >= 0

`contrast: none` ranks by c[m], as published; `mean` by c[m] less the mean of c over the other groups, and `max`
less the largest of them.

Source: docs/methods.md 2.11; arXiv 2311.07470 (there toward one target token, h_n * (w_n . U_t):
`target_contribution`).
What it does not tell: without a contrast, anything about a group in particular: the outlier neurons of a model win
everywhere. Nor in which direction a neuron writes, nor whether what it writes is read.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lode.selection import CONTRASTS, Scores, Set, check_contrast, need_contrast, read, take_top

MIN_GROUPS = 1
NEEDS: dict[str, object] = {"capture.hidden_site": True}


def check_options(contrast: str = "none") -> None:
    """Refuse an unknown contrast."""
    check_contrast(contrast)


def contribution(
    magnitude: Float[np.ndarray, "group *axes"], down_norm: Float[np.ndarray, "*axes"], contrast: str
) -> Float[np.ndarray, "group *axes"]:
    """What each neuron writes, less what it writes for other groups.

    Args:
        magnitude: mean |h|.
        down_norm: norms of the columns of down_proj.
        contrast: none, mean or max.
    """
    written = magnitude * down_norm
    return written - CONTRASTS[contrast](written)


def score_neurons(table: pa.Table, groups: Sequence[str], contrast: str = "none") -> Scores:
    """The contribution of every neuron in every group."""
    check_options(contrast)
    if contrast != "none":
        need_contrast(groups)
    count, total, norm = read(table, groups, ["num_samples", "hidden_abs_sum", "down_norm"])
    return contribution(total / np.maximum(count, 1), norm[0], contrast)


def select_neurons(
    table: pa.Table, groups: Sequence[str], ratio: float, seed: int, contrast: str = "none"
) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups, contrast), groups, ratio)
