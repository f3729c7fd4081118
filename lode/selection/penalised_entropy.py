"""Penalised entropy: LAPE's entropy, less a reward for firing often.

With p[m] = P(a > 0) over the tokens of group m, H its entropy over groups (see `lape`)::

    score = -(H / ln M - weight * max_m p[m] / c),   c = (1/M) sum_{k=1..M} 1/k,   in [-1, weight / c]

The K = floor(ratio * L * N) neurons of the highest score are chosen, and each goes to *every* group where p[m] is
above the `percentile` of all p; a neuron that passes in none is left out, as are neurons that never fire. With
`percentile: null` each goes to the group where it fires most. `bar` is as for `lape`.

Source: arXiv 2505.21505; docs/methods.md 2.2. The authors search the largest `weight` at which no chosen neuron belongs
to all languages; 0.109375 is what their repository holds for a Mistral 7B at 1 %, and is our default, not a search.
What it does not tell: how strongly a neuron fires, whether a difference is more than chance, and what the right
`weight` is: above about 1 it takes generalists that always fire.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lode.engine.errors import UserError
from lode.selection import Scores, Set, need_contrast, share_out
from lode.selection._firing import check_bar, entropy, read_firing, where_fires

MIN_GROUPS = 2
NEEDS: dict[str, object] = {}
WEIGHT = 0.109375


def check_options(weight: float = WEIGHT, percentile: float | None = 95.0, bar: str = "shared") -> None:
    """Refuse a negative weight, a percentile outside [0, 100), or an unknown bar."""
    if not 0 <= weight < np.inf:
        raise UserError(f"weight {weight}: expected a number of at least 0, such as {WEIGHT}")
    check_bar(percentile, bar)


def penalised(firing: Float[np.ndarray, "group *axes"], weight: float) -> Float[np.ndarray, "*axes"]:
    """The score, high is good; 0 for a neuron that never fires.

    Args:
        firing: P(a > 0) in each of M >= 2 groups.
        weight: of the reward for firing.
    """
    num_groups = len(firing)
    scale = np.mean(1 / np.arange(1, num_groups + 1))
    return weight * firing.max(0) / scale - entropy(firing) / np.log(num_groups)


def score_neurons(
    table: pa.Table,
    groups: Sequence[str],
    weight: float = WEIGHT,
    percentile: float | None = 95.0,
    bar: str = "shared",
) -> Scores:
    """The score where the neuron may be given to the group, else minus infinity."""
    check_options(weight, percentile, bar)
    need_contrast(groups)
    firing = read_firing(table, groups)
    return np.where(where_fires(firing, percentile, bar), penalised(firing, weight), -np.inf)


def select_neurons(
    table: pa.Table,
    groups: Sequence[str],
    ratio: float,
    seed: int,
    weight: float = WEIGHT,
    percentile: float | None = 95.0,
    bar: str = "shared",
) -> dict[str, Set]:
    """The plug-in entry: the K neurons of the highest score."""
    return share_out(score_neurons(table, groups, weight, percentile, bar), groups, ratio)
