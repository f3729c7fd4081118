"""Integrated gradients: what a neuron's activations do to the loss, summed up on the way from nothing to what they are.

The gate site of one whole layer moves on a straight line from a0 = 0 to its activations a, the layers after it follow,
and the gradient of L, the negative log-likelihood of the gold answer, is averaged over the middles of K steps::

    A = sum over T_m of a * mean_k dL/da (a (k - 1/2) / K),   K = `gradients.num_steps`
    magnitude: score[m] = mean over samples of |A|    in nats, >= 0
    harm:      score[m] = mean over samples of -A     in nats; > 0 where the answer needs the neuron

The A of all neurons of a layer and all prompt tokens add up to L(a) - L(0), the loss that zeroing the layer's neurons
saves, up to an error that falls with K. `contrast` as for `act_x_grad`.

Source: integrated gradients, Sundararajan et al. (arXiv 1703.01365); on feed-forward neurons, Dai et al.
(arXiv 2104.08696); docs/methods.md 2.9.
What it does not tell: what zeroing one neuron does: the line moves all neurons of the layer at once, and a neuron is
credited for its share. Layers are not comparable beyond that: to zero a whole early layer breaks more than a late one.
"""

from collections.abc import Sequence

import pyarrow as pa

from lode.engine.errors import unknown_name
from lode.selection import Scores, Set, check_contrast, contrasted, sample_means, take_top

MIN_GROUPS = 1
NEEDS: dict[str, object] = {"gradients.enabled": True, "gradients.num_steps": 8}
SIGNS = {"magnitude": ("integrated_abs_sum", 1), "harm": ("integrated_sum", -1)}


def check_options(sign: str = "magnitude", contrast: str = "none") -> None:
    """Refuse an unknown sign or contrast."""
    if sign not in SIGNS:
        raise unknown_name("sign", sign, SIGNS)
    check_contrast(contrast)


def score_neurons(table: pa.Table, groups: Sequence[str], sign: str = "magnitude", contrast: str = "none") -> Scores:
    """The mean attribution of every neuron in every group, less that of others."""
    check_options(sign, contrast)
    column, factor = SIGNS[sign]
    return contrasted(factor * sample_means(table, groups, column), groups, contrast)


def select_neurons(
    table: pa.Table,
    groups: Sequence[str],
    ratio: float,
    seed: int,
    sign: str = "magnitude",
    contrast: str = "none",
) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M)."""
    return take_top(score_neurons(table, groups, sign, contrast), groups, ratio)
