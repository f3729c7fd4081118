"""How the raw metrics of one sample are made comparable, over the neurons of one (sample, group, layer, metric).

- ``minmax``: (x - min) / (max - min), in [0, 1]; MINER's own. One very large neuron squeezes its whole layer
- ``rank``: the share of the other neurons that are below, ties shared; in [0, 1]; keeps no distances
- ``zscore``: (x - mean) / standard deviation of the neurons (division by their number)
- ``robust``: (x - median) / (1.4826 * median of |x - median|): a z-score that no single neuron can move
- ``none``: x itself, so that layers of large activations win

Where all neurons are equal, and for ``robust`` where more than half are, the result is 0 and the case is counted.
Source: docs/methods.md 1.1 and 1.8. What a choice does not tell: which layers matter; every choice but ``none``
sets all layers to one scale.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lode.engine.errors import unknown_name
from lode.importance.miner import minmax
from lode.shapes import NORMALISATIONS

#: 1 / (the median of |x| for a standard normal x), so that ``robust`` equals ``zscore`` on a normal distribution.
_MAD_TO_SD = 1.482602218505602
#: A spread below this share of the largest magnitude is rounding noise of a constant, as in `minmax`.
_CONSTANT = 1e-6

Normalised = tuple[Tensor, Tensor]


def _without_spread(scores: Float[Tensor, "*axes neuron"], spread: Float[Tensor, "*axes 1"]) -> Bool[Tensor, "*axes 1"]:
    return spread <= _CONSTANT * scores.abs().amax(-1, keepdim=True)


def rank(scores: Float[Tensor, "*axes neuron"]) -> tuple[Float[Tensor, "*axes neuron"], Bool[Tensor, "*axes"]]:
    """Mean rank over ties, from 0 for the lowest to 1 for the highest neuron."""
    ordered = scores.sort(-1).values.contiguous()
    below = torch.searchsorted(ordered, scores.contiguous())
    not_above = torch.searchsorted(ordered, scores.contiguous(), right=True)
    _, constant = minmax(scores)
    shares = (below + not_above - 1).to(scores.dtype) / (2 * max(scores.shape[-1] - 1, 1))
    return shares.masked_fill(constant[..., None], 0), constant


def zscore(scores: Float[Tensor, "*axes neuron"]) -> tuple[Float[Tensor, "*axes neuron"], Bool[Tensor, "*axes"]]:
    """Distance from the mean in standard deviations of the neurons."""
    spread = scores.std(-1, correction=0, keepdim=True)
    constant = _without_spread(scores, spread)
    result = (scores - scores.mean(-1, keepdim=True)) / spread
    return result.masked_fill(constant, 0), constant.squeeze(-1)


def robust(scores: Float[Tensor, "*axes neuron"]) -> tuple[Float[Tensor, "*axes neuron"], Bool[Tensor, "*axes"]]:
    """Distance from the median in scaled median absolute deviations."""
    centred = scores - median(scores)
    spread = _MAD_TO_SD * median(centred.abs())
    constant = _without_spread(scores, spread)
    return (centred / spread).masked_fill(constant, 0), constant.squeeze(-1)


def median(scores: Float[Tensor, "*axes neuron"]) -> Float[Tensor, "*axes 1"]:
    """The middle value, or the mean of the two middle ones (torch's own takes the lower)."""
    ordered, last = scores.sort(-1).values, scores.shape[-1] - 1
    return (ordered[..., last // 2, None] + ordered[..., (last + 1) // 2, None]) / 2


def unchanged(scores: Float[Tensor, "*axes neuron"]) -> tuple[Float[Tensor, "*axes neuron"], Bool[Tensor, "*axes"]]:
    """The scores as they are; none counts as constant."""
    return scores, torch.zeros(scores.shape[:-1], dtype=torch.bool, device=scores.device)


_FUNCTIONS: dict[str, Callable[[Tensor], Normalised]] = {
    "minmax": minmax,
    "rank": rank,
    "zscore": zscore,
    "robust": robust,
    "none": unchanged,
}


def normalise(
    scores: Float[Tensor, "*axes neuron"], kind: str
) -> tuple[Float[Tensor, "*axes neuron"], Bool[Tensor, "*axes"]]:
    """Normalise over neurons.

    Args:
        scores: raw metrics; a group without tokens is 0 everywhere, and stays 0.
        kind: one of `NORMALISATIONS`.

    Returns:
        The normalised scores, and where they have no spread, up to float rounding.

    Raises:
        UserError: an unknown kind.
    """
    if kind not in _FUNCTIONS:
        raise unknown_name("normalisation", kind, NORMALISATIONS)
    return _FUNCTIONS[kind](scores)
