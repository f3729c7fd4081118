"""Act x grad: how strongly the loss leans on a neuron's activations, to first order.

With a the activation at the gate site, L the negative log-likelihood of the gold answer, g = dL/da and T_m the tokens
of group m in a sample::

    score[m] = mean over samples of  sum over T_m of |a g|,   in nats, >= 0

|a g| is, to first order, by how much the loss of a sample changes when the neuron is zeroed at that one token.
`contrast` is none, `mean` (less the mean of the other groups) or `max` (less the largest of them).

Source: docs/methods.md 2.9; the first-order criterion of pruning, Molchanov et al. (arXiv 1611.06440).
What it does not tell: the direction: neurons that help and neurons that disturb the gold answer score alike, and at
different tokens they do not cancel. Without a contrast, anything about a group in particular; a group of many
tokens has larger scores, which matters to a contrast. Where the model is sure of the answer, all gradients are small:
the samples that it finds hard decide.
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
    """The mean of sum |a g| of every neuron in every group, less that of others."""
    check_options(contrast)
    return contrasted(sample_means(table, groups, "act_grad_sum"), groups, contrast)


def select_neurons(
    table: pa.Table, groups: Sequence[str], ratio: float, seed: int, contrast: str = "none"
) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups, contrast), groups, ratio)
