"""Dense tables: a row for every modality, layer and neuron, in that order; as arrays, and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lode.engine.errors import UserError


def neuron_columns(modalities: Sequence[str], num_layers: int, num_neurons: int) -> dict[str, Any]:
    """The three key columns of a dense (modality, layer, neuron) table, in C order."""
    names = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(len(modalities), dtype=np.int8), num_layers * num_neurons), pa.array(list(modalities))
    )
    layers = np.tile(np.repeat(np.arange(num_layers, dtype=np.int16), num_neurons), len(modalities))
    neurons = np.tile(np.arange(num_neurons, dtype=np.int32), len(modalities) * num_layers)
    return {"modality": names.cast(pa.string()), "layer": layers, "neuron": neurons}


def dense(table: pa.Table, columns: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Read columns of a dense table back as one array.

    Returns:
        The modality names, and an array (column, modality, layer, neuron).
    """
    modalities, shape = dense_shape(table)
    return modalities, np.stack([table[c].to_numpy().reshape(shape) for c in columns])


def dense_lists(table: pa.Table, column: str) -> np.ndarray:
    """Read a column of lists, all of one length, as an array (modality, layer, neuron, item)."""
    _, shape = dense_shape(table)
    lists = table[column].combine_chunks()
    return lists.flatten().to_numpy().reshape(*shape, -1)


def dense_shape(table: pa.Table) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    """The modalities of a dense table and its shape (modality, layer, neuron).

    Raises:
        UserError: rows are missing, or in another order.
    """
    modalities = tuple(table["modality"].unique().to_pylist())
    num_layers = int(np.max(table["layer"].to_numpy())) + 1 if table.num_rows else 0
    num_neurons = int(np.max(table["neuron"].to_numpy())) + 1 if table.num_rows else 0
    expected = neuron_columns(modalities, num_layers, num_neurons)
    for key in ("layer", "neuron"):
        if not np.array_equal(table[key].to_numpy(), expected[key]):
            raise UserError("a table of neurons must be dense in (modality, layer, neuron) order")
    return modalities, (len(modalities), num_layers, num_neurons)


def list_column(values: np.ndarray) -> pa.Array:
    """A column of lists from an array (modality, layer, neuron, item), in C order."""
    offsets = np.arange(0, values.size + 1, values.shape[-1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
