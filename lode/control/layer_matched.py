"""Layer-matched random neurons: as many in every layer as the set has, uniformly without replacement. The default.

A set that beats them matters for the neurons chosen, not for the layers they lie in. Not matched: how strongly the
neurons fire; a selection by activation beats these controls by picking large neurons (see `magnitude_matched`).

Source: docs/methods.md 3.4.
"""

from collections.abc import Iterator

import numpy as np

from lode.control import Pairs, Selected, stream


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """Draw from all neurons of a layer, those of the set included."""
    num_neurons = selected.shape[1]
    for draw in range(num_draws):
        yield {
            name: layer_matched(pairs, num_neurons, stream(seed, name, draw)) for name, pairs in selected.sets.items()
        }


def layer_matched(pairs: Pairs, num_neurons: int, rng: np.random.Generator) -> Pairs:
    """As many neurons in every layer as `pairs` has, drawn uniformly without replacement."""
    layers, counts = np.unique(pairs[:, 0], return_counts=True)
    draws = [
        np.stack([np.full(n, layer), np.sort(rng.choice(num_neurons, n, replace=False))], axis=1)
        for layer, n in zip(layers, counts, strict=True)
    ]
    return np.concatenate(draws) if draws else pairs[:0]
