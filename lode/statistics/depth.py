"""Where in depth a set sits: its centre of mass over layers, against uniform draws of as many neurons.

docs/methods.md 4.19. No tables here: counts by layer in, numbers out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

#: Uniform draws, and the share of them that a range holds.
NUM_DRAWS, RANGE = 1000, (0.025, 0.975)

Counts = Int[np.ndarray, "*draws layer"]


def centre(counts: Float[np.ndarray, "*draws layer"] | Counts) -> Float[np.ndarray, "*draws"]:
    """The centre of mass sum l c / K in layers, from 0; NaN where there is nothing."""
    total = counts.sum(-1)
    return np.asarray((counts @ np.arange(counts.shape[-1])) / np.where(total > 0, total, np.nan))


def chi_square(counts: Counts) -> Float[np.ndarray, "*draws"]:
    """sum (c - K / L)^2 / (K / L) against an even spread over layers; NaN where there is nothing."""
    expected = counts.mean(-1, keepdims=True)
    return np.asarray(((counts - expected) ** 2 / np.where(expected > 0, expected, np.nan)).sum(-1))


class Uniform(NamedTuple):
    """What sets of as many neurons, drawn uniformly, look like: 95 % of them.

    Attributes:
        low, high: neurons in each layer.
        centre_low, centre_high: of the centre.
        p_value: the share of sets spread as unevenly as the one in question, itself counted.
    """

    low: Int[np.ndarray, "layer"]
    high: Int[np.ndarray, "layer"]
    centre_low: float
    centre_high: float
    p_value: float


def uniform_draws(counts: Int[np.ndarray, "layer"], num_neurons: int, seed: int) -> Uniform:
    """Compare a set with uniform draws without replacement.

    Args:
        counts: unique neurons of the set in each layer.
        num_neurons: neurons of a layer.
        seed: of the draws.
    """
    rng = np.random.default_rng([seed, len(counts), int(counts.sum())])
    layers = np.full(len(counts), num_neurons)
    draws = rng.multivariate_hypergeometric(layers, int(counts.sum()), size=NUM_DRAWS)
    if not counts.sum():
        return Uniform(counts, counts, float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(draws, RANGE, axis=0, method="inverted_cdf")
    centre_low, centre_high = np.quantile(centre(draws), RANGE)
    as_uneven = int((chi_square(draws) >= chi_square(counts) - 1e-9).sum())
    return Uniform(low, high, float(centre_low), float(centre_high), (1 + as_uneven) / (1 + NUM_DRAWS))


def interval(centres: Sequence[float]) -> tuple[float, float]:
    """The 95 % percentile interval of centres of re-selections; NaN where no set had a neuron."""
    known = np.asarray([value for value in centres if np.isfinite(value)])
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, RANGE)
    return float(low), float(high)


def side(value: float, low: float, high: float, uniform: Uniform, num_layers: int) -> int:
    """-1: shallow, 1: deep, 0: cannot be told: interval and centre must lie on one side of the middle and of chance.

    Args:
        value: the centre.
        low, high: its interval.
        uniform: what sets of the same size do.
        num_layers: L.
    """
    middle = (num_layers - 1) / 2
    if high < middle and value < uniform.centre_low:
        return -1
    return int(low > middle and value > uniform.centre_high)


def agreed(sides: Sequence[int]) -> str:
    """What may be said of a set: `shallow` or `deep` where every normalisation says so, else `neither`."""
    return {frozenset({-1}): "shallow", frozenset({1}): "deep"}.get(frozenset(sides), "neither")
