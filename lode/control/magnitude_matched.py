"""Magnitude-matched random neurons: from the same layer, nearest in how much they write. The headline where it exists.

Magnitude of neuron n: mean over mining samples of the mean |a_n| over the prompt's tokens, times ||w_n||, where w_n is
its column of down_proj. Each neuron of the set, in random order, takes one of the `NUM_NEAREST` neurons of its layer
that are nearest in magnitude, outside the set and not yet taken; which one is chance. More of them would make draws
differ more, and match them worse.

A set that beats these controls matters for more than writing much. But a set that took the largest neurons of a layer
leaves smaller ones only. So the ratio controls / set of mean magnitudes is recorded (`magnitude_ratio` in the
provenance of the neurons table, by kind of control and set); below `UNMATCHABLE` there are no neurons like those of the
set, and a difference may be one of magnitude. A set with more neurons in a layer than there are others is left out.

Source: docs/methods.md 3.4 and 3.5.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from lode.control import Pairs, Selected, magnitude, stream

NUM_NEAREST = 8


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """Draw from the neurons outside each set."""
    values = magnitude(selected.table)
    chosen = {name: _flags(pairs, selected.shape) for name, pairs in selected.sets.items()}
    fits = [name for name, flags in chosen.items() if (2 * flags.sum(1) <= flags.shape[1]).all()]
    for draw in range(num_draws):
        yield {name: nearest(selected.sets[name], chosen[name], values, stream(seed, name, draw)) for name in fits}


def nearest(
    pairs: Pairs,
    chosen: Bool[np.ndarray, "layer neuron"],
    values: Float[np.ndarray, "layer neuron"],
    rng: np.random.Generator,
    num_nearest: int = NUM_NEAREST,
) -> Pairs:
    """For every neuron of the set another one of its layer, near in value, each at most once.

    Args:
        pairs: the set.
        chosen: the set as flags.
        values: what to match.
        rng: where chance comes from.
        num_nearest: of how many that are left one is drawn.
    """
    free = ~chosen
    drawn = np.empty_like(pairs)
    for place in rng.permutation(len(pairs)):
        layer, neuron = pairs[place]
        left = np.flatnonzero(free[layer])
        distance = np.abs(values[layer, left] - values[layer, neuron])
        taken = rng.choice(left[np.argsort(distance, kind="stable")[:num_nearest]])
        free[layer, taken] = False
        drawn[place] = layer, taken
    return drawn


def _flags(pairs: Pairs, shape: tuple[int, int]) -> Bool[np.ndarray, "layer neuron"]:
    flags = np.zeros(shape, dtype=bool)
    flags[tuple(pairs.T)] = True
    return flags
