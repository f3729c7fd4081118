"""Attribution patching: what blanking the medium does to the loss through one neuron, to first order.

With a and g = dL/da at the gate site on the clean sample, L the negative log-likelihood of the gold answer, and a' the
activation when every medium of the sample is blank (black or silent, of as many tokens)::

    A = sum over T_m of (a' - a) g,   the estimated change of L when this neuron alone takes its activations a' there
    magnitude: score[m] = mean over samples of |A|   in nats, >= 0
    harm:      score[m] = mean over samples of A     in nats; > 0 where the answer needs what the medium puts there

For `image`, `video` and `audio` these are the medium's own tokens. The words of a `text` stay as they are: its tokens
change only where they look back at a medium, so the score tells what of the medium passes through the neuron at text
tokens, not what serves text. Samples without a medium add zeros. `contrast` as for `act_x_grad`.

Source: attribution patching as in AtP* (arXiv 2403.00745); docs/methods.md 2.9.
What it does not tell: effects beyond first order: saturated neurons, and those that another would replace. Neurons of
little importance to any answer, but different for a blank, have score 0. Blank is one corruption of many, and unlike
anything the model was trained on.
"""

from collections.abc import Sequence

import pyarrow as pa

from lode.engine.errors import UserError, unknown_name
from lode.selection import Scores, Set, check_contrast, contrasted, sample_means, take_top

MIN_GROUPS = 1
NEEDS: dict[str, object] = {"gradients.enabled": True}
SIGNS = {"magnitude": "patching_abs_sum", "harm": "patching_sum"}


def check_options(sign: str = "magnitude", contrast: str = "none") -> None:
    """Refuse an unknown sign or contrast."""
    if sign not in SIGNS:
        raise unknown_name("sign", sign, SIGNS)
    check_contrast(contrast)


def score_neurons(table: pa.Table, groups: Sequence[str], sign: str = "magnitude", contrast: str = "none") -> Scores:
    """The mean attribution of every neuron in every group, less that of others.

    Raises:
        UserError: no sample that holds one of the groups has a medium to blank.
    """
    check_options(sign, contrast)
    means = sample_means(table, groups, SIGNS[sign])
    untouched = [name for name, values in zip(groups, means, strict=True) if not values.any()]
    if untouched:
        raise UserError(
            f"blanking media changed nothing at the tokens of {', '.join(untouched)}; expected mining data in which "
            "they come with or after an image, a video or a sound. Mine a dataset that does, or set "
            "selection.groups to the others"
        )
    return contrasted(means, groups, contrast)


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
