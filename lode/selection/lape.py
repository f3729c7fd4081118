"""LAPE: neurons that fire in few groups, by the entropy of their activation probability over groups.

With p[m] = P(a > 0) over the tokens of group m and q = p / sum_m p::

    H = - sum_m q[m] ln q[m]      (0 ln 0 = 0), in [0, ln M]: 0 fires in one group only, ln M in all alike

A neuron takes part if some p[m] is above the 95th `percentile` of all p; of these the K with the lowest H are chosen,
K = floor(ratio * L * N) (the papers: 1 %), and each goes to *every* group where p[m] is above that bar. So the sets
have no common size and may overlap. One bar for all groups is as published; where one fires more throughout, such
as the few special tokens, it takes all. `bar: own` is ours: each group's own percentile. With `percentile: null`
there is no bar: each goes to the group where it fires most. A neuron that never fires would have H = 0, the best,
and is never chosen. The score is -H.

Source: LAPE (arXiv 2402.16438) for languages, DAPE (arXiv 2406.11193) for domains; docs/methods.md 2.1.
What it does not tell: how strongly a neuron fires (0.001 and 10 count alike), whether the difference of two
probabilities is more than chance, and which of many neurons with H = 0 is better: the smaller index wins.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lode.selection import Scores, Set, need_contrast, share_out
from lode.selection._firing import check_bar, entropy, read_firing, where_fires

MIN_GROUPS = 2
NEEDS: dict[str, object] = {}


def check_options(percentile: float | None = 95.0, bar: str = "shared") -> None:
    """Refuse a percentile outside [0, 100), or an unknown bar."""
    check_bar(percentile, bar)


def score_neurons(
    table: pa.Table, groups: Sequence[str], percentile: float | None = 95.0, bar: str = "shared"
) -> Scores:
    """-H where the neuron may be given to the group, else minus infinity."""
    check_options(percentile, bar)
    need_contrast(groups)
    firing = read_firing(table, groups)
    return np.where(where_fires(firing, percentile, bar), -entropy(firing), -np.inf)


def select_neurons(
    table: pa.Table,
    groups: Sequence[str],
    ratio: float,
    seed: int,
    percentile: float | None = 95.0,
    bar: str = "shared",
) -> dict[str, Set]:
    """The plug-in entry: the K neurons of lowest entropy."""
    return share_out(score_neurons(table, groups, percentile, bar), groups, ratio)
