"""Uniform random neurons: as many as the set has, from the whole model, without replacement.

The weakest control: a set may beat it only because it lies in layers that matter more. Source: docs/methods.md 3.4;
MINER's own random baseline draws with replacement, and so switches fewer neurons.
"""

from collections.abc import Iterator

from lode.control import Selected, resized, stream
from lode.neurons import Pairs


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """Draw from all neurons of the model, those of the set included."""
    for draw in range(num_draws):
        yield {
            name: resized(pairs[:0], len(pairs), selected.shape, stream(seed, name, draw, pairs))
            for name, pairs in selected.sets.items()
        }
