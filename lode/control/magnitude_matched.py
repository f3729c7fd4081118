"""Magnitude-matched random neurons: from the same layer and the same tenth of it by activation.

Each layer is cut into ten bins of equal size by magnitude; a control has as many neurons in every layer and bin as the
set. A set that beats it matters for more than firing strongly.

Magnitude: the root mean square over mining samples of the mean activation over the prompt's tokens. METHODS 3 asks for
mean |a| * ||w||, where w is the neuron's column of down_proj; the importance table does not hold that norm yet, and
`magnitude` is the one place to put it. A set that takes most of a bin shares neurons with its controls, which makes the
comparison cautious; the provenance of the neurons table says how many.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from lode.control import Pairs, Selected, over_prompts, stream

NUM_BINS = 10


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """Draw from all neurons of a layer and bin, those of the set included."""
    bins = magnitude_bins(magnitude(selected.table))
    for draw in range(num_draws):
        yield {name: bin_matched(pairs, bins, stream(seed, name, draw)) for name, pairs in selected.sets.items()}


def magnitude(table: pa.Table) -> Float[np.ndarray, "layer neuron"]:
    """How strongly each neuron acts [activation]."""
    return np.sqrt(over_prompts(table, "mean_sumsq"))


def magnitude_bins(values: Float[np.ndarray, "layer neuron"]) -> Int[np.ndarray, "layer neuron"]:
    """The bin of each neuron within its layer, 0 for the weakest; bins are of equal size up to one neuron."""
    ranks = values.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return ranks * NUM_BINS // values.shape[1]


def bin_matched(pairs: Pairs, bins: Int[np.ndarray, "layer neuron"], rng: np.random.Generator) -> Pairs:
    """As many neurons in every layer and bin as `pairs` has, drawn uniformly without replacement."""
    if not len(pairs):
        return pairs
    keys = np.stack([pairs[:, 0], bins[pairs[:, 0], pairs[:, 1]]], axis=1)
    draws = []
    for (layer, number), count in zip(*np.unique(keys, axis=0, return_counts=True), strict=True):
        chosen = np.sort(rng.choice(np.flatnonzero(bins[layer] == number), count, replace=False))
        draws.append(np.stack([np.full(count, layer), chosen], axis=1))
    return np.concatenate(draws)
