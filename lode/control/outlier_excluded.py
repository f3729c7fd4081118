"""Outliers excluded: the same selection on the model without its most strongly firing neurons.

In every layer the 1 % of neurons (at least one) with the largest mean over samples of the maximum over the prompt's
tokens are left out; then the same number of neurons is selected as before. One draw. If it costs as little as random
neurons while the set costs much, the set works through a few massive activations (arXiv 2402.17762) and not through
what it was selected for.

Importance is not normalised again without the outliers: capture has done that. Source: docs/methods.md 3.4.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from jaxtyping import Bool

from lode.control import Selected, over_prompts, resized, stream
from lode.neurons import Pairs
from lode.selection import num_asked

EXCLUDED = 0.01


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """One draw; `num_draws` does not matter."""
    del num_draws
    kept = without_outliers(selected)
    neurons = np.nonzero(kept)[1].reshape(len(kept), -1)  # as many in every layer
    sets = selected.select(smaller(selected.table, kept), _same_number(selected, neurons.size))
    yield {
        name: resized(
            np.stack([found[:, 0], neurons[found[:, 0], found[:, 1]]], axis=1),
            len(pairs),
            selected.shape,
            stream(seed, name, 0, pairs),
        )
        for name, pairs in selected.sets.items()
        for found in [sets.get(name, pairs[:0])]
    }


def without_outliers(selected: Selected) -> Bool[np.ndarray, "layer neuron"]:
    """Which neurons stay: all but the largest of each layer; ties go to the smaller index."""
    largest = over_prompts(selected.table, "max_sum")
    num_out = max(1, round(EXCLUDED * largest.shape[1]))
    out = np.argsort(-largest, axis=1, kind="stable")[:, :num_out]
    kept = np.ones(largest.shape, dtype=bool)
    np.put_along_axis(kept, out, False, axis=1)
    return kept


def smaller(table: pa.Table, kept: Bool[np.ndarray, "layer neuron"]) -> pa.Table:
    """The table of a model that has these neurons only, numbered anew."""
    num_groups = table.num_rows // kept.size
    rest = table.filter(pa.array(np.tile(kept.ravel(), num_groups)))
    numbers = np.tile(np.arange(int(kept[0].sum()), dtype=np.int32), num_groups * len(kept))
    place = table.column_names.index("neuron")
    return rest.set_column(place, table.schema.field("neuron"), pa.array(numbers))


def _same_number(selected: Selected, num_left: int) -> float:
    """The ratio of the neurons left that asks for as many as before; the half keeps rounding from asking for fewer."""
    wanted = num_asked(selected.ratio, selected.shape[0] * selected.shape[1])
    return min(1.0, (wanted + 0.5) / num_left)
