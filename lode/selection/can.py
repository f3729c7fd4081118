"""CAN: neurons that are active wherever the loss depends on them.

With a, g, L and T_m as for `act_x_grad` and the exponent alpha = `gradients.alpha` in [0, 1]::

    score[m] = mean over samples of  sum over T_m of |g|^alpha |a|,   >= 0

alpha = 0 ranks by the magnitude of the activation alone, alpha = 1 is act x grad; between, the unit is a mixture and
only the ranking means something. The method's second half, progressive masking to the smallest set that makes the model
collapse, needs the model: it is the dose experiment (config/experiment/dose.yaml, with `selection=can` before each
ratio), and the smallest set is that of the first ratio at which the scores fall to chance. `contrast` as for
`act_x_grad`.

Source: CAN (arXiv 2512.00918); docs/methods.md 2.10. There over all tokens, here by group; all tokens are
`group_split: prompt`.
What it does not tell: whether a neuron serves a group: it looks for neurons that the whole model hangs on, and the
outlier neurons of a model win in every group. The exponent is part of the definition and its best value is unknown.
"""

from collections.abc import Sequence

import pyarrow as pa

from lode.selection import Scores, Set, check_contrast, contrasted, sample_means, take_top

MIN_GROUPS = 1
NEEDS: dict[str, object] = {"gradients.enabled": True}


def check_options(contrast: str = "none") -> None:
    """Refuse an unknown contrast."""
    check_contrast(contrast)


def score_neurons(table: pa.Table, groups: Sequence[str], contrast: str = "none") -> Scores:
    """The mean of sum |g|^alpha |a| of every neuron in every group, less that of others."""
    check_options(contrast)
    return contrasted(sample_means(table, groups, "can_sum"), groups, contrast)


def select_neurons(
    table: pa.Table, groups: Sequence[str], ratio: float, seed: int, contrast: str = "none"
) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups, contrast), groups, ratio)
