"""Dense tables: a row for every group, layer and neuron of one site, in that order; as arrays, and back."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lode.engine.errors import UserError, unknown_name
from lode.neurons import LM_GATE
from lode.table._neuron import BLOCK


def neuron_columns(
    groups: Sequence[str], num_layers: int, num_neurons: int, site: str = LM_GATE
) -> dict[str, pa.Array | np.ndarray]:
    """The four key columns of a dense (group, layer, neuron) table of one site, in C order."""
    size = num_layers * num_neurons
    return {
        "site": _names([site], len(groups) * size),
        "group": _names(groups, size),
        "layer": np.tile(np.repeat(np.arange(num_layers, dtype=np.int16), num_neurons), len(groups)),
        "neuron": np.tile(np.arange(num_neurons, dtype=np.int32), len(groups) * num_layers),
    }


def _names(names: Sequence[str], times: int) -> pa.Array:
    """A text column of names, each so many times; by way of their places, which is far quicker than by the texts."""
    places = np.repeat(np.arange(len(names), dtype=np.int32), times)
    return pa.DictionaryArray.from_arrays(places, pa.array(list(names), pa.string())).cast(pa.string())


def of_site(table: pa.Table, site: str) -> pa.Table:
    """The rows of one site.

    Raises:
        UserError: the table holds none of it.
    """
    sites = table["site"].unique().to_pylist()
    if site not in sites:
        raise unknown_name("site of the table", site, sites)
    return table if len(sites) == 1 else table.filter(pc.equal(table["site"], site))


def site_of(table: pa.Table) -> str:
    """The one site that a table is of; a table without rows is of the language model's gate.

    Raises:
        UserError: it is of several.
    """
    sites = table["site"].unique().to_pylist()
    if len(sites) > 1:
        raise UserError(
            f"a table of the sites {', '.join(sites)}: expected one site, as widths differ; take the rows of one, "
            f"`of_site(table, {sites[0]!r})`"
        )
    return sites[0] if sites else LM_GATE


def dense(table: pa.Table, columns: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Read columns of a dense table back as one array.

    Returns:
        The group names, and an array (column, group, layer, neuron).
    """
    groups, shape = dense_shape(table)
    return groups, shaped(table, columns, shape)


def shaped(table: pa.Table, columns: Sequence[str], shape: tuple[int, int, int]) -> np.ndarray:
    """The same array of a table whose shape is known: `dense_shape` looks through the keys of all rows."""
    return np.stack([table[c].to_numpy().reshape(shape) for c in columns])


def dense_lists(table: pa.Table, column: str) -> np.ndarray:
    """Read a column of lists, all of one length, as an array (group, layer, neuron, item)."""
    return shaped_lists(table, column, dense_shape(table)[1])


def shaped_lists(table: pa.Table, column: str, shape: tuple[int, int, int]) -> np.ndarray:
    """The same array of a table whose shape is known."""
    lists = table[column].combine_chunks()
    return lists.flatten().to_numpy().reshape(*shape, -1)


def dense_shape(table: pa.Table) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    """The groups of a dense table and its shape (group, layer, neuron).

    Raises:
        UserError: it is of several sites, or rows are missing, or in another order.
    """
    site_of(table)
    groups = tuple(table["group"].unique().to_pylist())
    num_layers = int(np.max(table["layer"].to_numpy())) + 1 if table.num_rows else 0
    num_neurons = int(np.max(table["neuron"].to_numpy())) + 1 if table.num_rows else 0
    shape = (len(groups), num_layers, num_neurons)
    layers, neurons = np.divmod(np.arange(num_layers * num_neurons), max(num_neurons, 1))
    for key, expected in (("layer", layers), ("neuron", neurons)):
        if not np.array_equal(table[key].to_numpy(), np.tile(expected, len(groups))):
            raise UserError("a table of neurons must be dense in (group, layer, neuron) order")
    return groups, shape


def list_column(values: np.ndarray) -> pa.Array:
    """A column of lists from an array (group, layer, neuron, item), in C order."""
    offsets = np.arange(0, values.size + 1, values.shape[-1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))


def blocks_of(shard: pa.Table) -> list[pa.Table]:
    """The blocks of a shard, which are shards themselves; views."""
    num_blocks = len(shard[BLOCK.name].unique())
    size = shard.num_rows // num_blocks
    return [shard.slice(block * size, size) for block in range(num_blocks)]
