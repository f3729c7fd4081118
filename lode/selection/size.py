"""Size: how much a neuron writes into the residual stream, on all tokens together. A baseline that knows no group.

With h = gate * up, the input of down_proj, and w_n the column of down_proj that neuron n writes::

    score[n] = mean over samples of the mean of |h_n| over all tokens of the prompt, times ||w_n||_2,   >= 0

The ranking is the same for every group, and so is the set. What finds no more specific neurons than this finds large
neurons. `contribution` is the same on the tokens of one group.

Source: docs/methods.md 2.12.
What it does not tell: anything about a group; that is what it is for.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lode.grouping import PROMPT
from lode.selection import Scores, Set, read, take_top

MIN_GROUPS = 1
NEEDS: dict[str, object] = {"capture.hidden_site": True}


def check_options() -> None:
    """There are none."""


def score_neurons(table: pa.Table, groups: Sequence[str]) -> Scores:
    """The size of every neuron, once for each group."""
    count, total, norm = read(table, [PROMPT], ["num_samples", "hidden_abs_sum", "down_norm"])
    return np.repeat(total / count * norm, len(groups), axis=0)


def select_neurons(table: pa.Table, groups: Sequence[str], ratio: float, seed: int) -> dict[str, Set]:
    """The plug-in entry: the same top floor(K / M) for each group."""
    del seed
    return take_top(score_neurons(table, groups), groups, ratio)
