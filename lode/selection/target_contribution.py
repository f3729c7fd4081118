"""Target contribution: how much a neuron writes directly toward the first token of the right answer.

On the hidden site h = gate * up, with w_n the column of down_proj that neuron n writes, and U_y the row of the language
head of the first token y of a sample's gold answer::

    A = sum over T_m of h_n (w_n . U_y),   in logits, before the last normalisation
    toward:    score[m] = mean over samples of A      > 0 where it speaks for the answer, as published
    magnitude: score[m] = mean over samples of |A|    for or against

`contrast` as for `act_x_grad`. No gradient is taken; the statistics come with those of the gradients, which see the
gold answer too.

Source: arXiv 2311.07470; docs/methods.md 2.11. Here summed over the tokens of a group.
What it does not tell: anything about a neuron that acts through later layers, nearly all of an early layer: what is
written at a token of an image reaches the answer by attention only, and U_y reads it as if it were at the end. The last
normalisation, which scales it, is left out, so deep layers with large residual streams score too high.
"""

from collections.abc import Sequence

import pyarrow as pa

from lode.engine.errors import unknown_name
from lode.selection import Scores, Set, check_contrast, contrasted, sample_means, take_top

MIN_GROUPS = 1
NEEDS: dict[str, object] = {"gradients.enabled": True}
SIGNS = {"toward": "target_sum", "magnitude": "target_abs_sum"}


def check_options(sign: str = "toward", contrast: str = "none") -> None:
    """Refuse an unknown sign or contrast."""
    if sign not in SIGNS:
        raise unknown_name("sign", sign, SIGNS)
    check_contrast(contrast)


def score_neurons(table: pa.Table, groups: Sequence[str], sign: str = "toward", contrast: str = "none") -> Scores:
    """The mean contribution of every neuron in every group, less that of others."""
    check_options(sign, contrast)
    return contrasted(sample_means(table, groups, SIGNS[sign]), groups, contrast)


def select_neurons(
    table: pa.Table,
    groups: Sequence[str],
    ratio: float,
    seed: int,
    sign: str = "toward",
    contrast: str = "none",
) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups, sign, contrast), groups, ratio)
