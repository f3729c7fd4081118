"""Layer-matched random neurons: as many in every layer as the set has, uniformly without replacement. The default.

A set that beats them matters for the neurons chosen, not for the layers they lie in. Not matched: how strongly the
neurons fire; a selection by activation beats these controls by picking large neurons (see `magnitude_matched`).

Source: docs/methods.md 3.4.
"""

from collections.abc import Iterator

import numpy as np

from lode.control import Selected, stream, within_blocks
from lode.neurons import Pairs


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """Draw from all neurons of a layer, those of the set included."""
    layers = np.zeros(selected.shape, dtype=int)  # one block each
    for draw in range(num_draws):
        yield {
            name: within_blocks(pairs, layers, stream(seed, name, draw, pairs)) for name, pairs in selected.sets.items()
        }
