"""Shuffled labels: the same selection on importance whose group labels are permuted for every neuron.

What is permuted: for each (layer, neuron) on its own, the rows of the groups that take part in the selection. A
neuron keeps all its statistics, but which of them is called `image` and which `text` is chance. Numbers of samples and
tokens stay with the group, and sums are scaled to them, so that means and shares travel unchanged. One permutation a
draw serves all sets.

So a control has neurons that are as important as the set's, for some group. A set that beats it owes its effect to
*which* group a neuron serves. It does not permute labels of samples or tokens: capture keeps sums only, and the
normalisation of importance (min-max over the neurons of a layer) was done under the true labels.

Source: docs/methods.md 3.4. Where the selection returns another number of neurons, the set is cut or filled up.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from lode.control import Selected, resized, stream
from lode.neurons import Pairs
from lode.table._dense import dense, dense_lists, list_column

_FIXED = ("site", "group", "layer", "neuron", "num_samples", "num_tokens", "down_norm")


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """Select again after each permutation."""
    for draw in range(num_draws):
        shuffled = permuted(selected.table, selected.groups, stream(seed, "labels", draw))
        sets = selected.select(shuffled, selected.ratio)
        yield {
            name: resized(sets.get(name, pairs[:0]), len(pairs), selected.shape, stream(seed, name, draw, pairs))
            for name, pairs in selected.sets.items()
        }


def permuted(table: pa.Table, groups: Sequence[str], rng: np.random.Generator) -> pa.Table:
    """The importance table with the rows of these groups permuted, for each neuron on its own."""
    names, counts = dense(table, ("num_samples", "num_tokens"))
    places = [names.index(name) for name in groups]
    order = np.argsort(rng.random((len(places), *counts.shape[2:])), axis=0)
    for index, field in enumerate(table.schema):
        column = table[field.name]
        if field.name not in _FIXED and column.null_count < len(column):
            table = table.set_column(index, field, _moved(table, field, places, order, _unit(field.name, counts)))
    return table


def _moved(table: pa.Table, field: pa.Field, places: Sequence[int], order: np.ndarray, unit: np.ndarray) -> pa.Array:
    """One column with the rows of these groups in this order, sums and counts scaled to their new group."""
    lists = pa.types.is_list(field.type)
    values = dense_lists(table, field.name) if lists else dense(table, (field.name,))[1][0][..., None]
    values, unit = values.astype(np.float64), unit[..., None]
    values[places] = np.take_along_axis((values / unit)[places], order[..., None], axis=0) * unit[places]
    item = field.type.value_type if lists else field.type
    values = (np.rint(values) if pa.types.is_integer(item) else values).astype(item.to_pandas_dtype())
    return list_column(values) if lists else pa.array(values.ravel())


def _unit(column: str, counts: np.ndarray) -> np.ndarray:
    """What a column adds over: samples for sums and histograms, tokens for counts of tokens, else nothing."""
    samples, tokens = np.maximum(counts, 1)
    if column.endswith(("_sum", "_sumsq", "histogram")):
        return samples
    return tokens if column.endswith("_count") else np.ones_like(samples)
