"""From the gradients of shards to those of a model: sums, of all shards or of some. Source: docs/methods.md 2.9."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lode.engine.errors import UserError
from lode.table._dense import dense, dense_shape, neuron_columns
from lode.table._neuron import BLOCK, KEYS
from lode.table.gradients import GRADIENTS


def gradient_columns(shards: Sequence[pa.Table]) -> dict[str, Any]:
    """The columns of one table from those of its parts; what none of them captured is left out.

    Raises:
        UserError: the parts are of models of different sizes, or of captures that kept different things.
    """
    if len({dense_shape(shard) for shard in shards}) != 1:
        raise UserError("gradients of one model differ in shape; delete them and run again")
    added = [column.name for column in GRADIENTS.schema if column not in (BLOCK, *KEYS)]
    kept = {tuple(name for name in added if not shard[name].null_count) for shard in shards}
    if len(kept) != 1:
        raise UserError("some shards hold integrated gradients and others do not; delete the gradients and run again")
    (names,) = kept
    groups, (_, num_layers, num_neurons) = dense_shape(shards[0])
    columns = neuron_columns(groups, num_layers, num_neurons)
    for name in names:
        dtype = GRADIENTS.schema.field(name).type.to_pandas_dtype()
        total = np.sum([dense(shard, [name])[1][0] for shard in shards], axis=0)
        columns[name] = total.ravel().astype(dtype)
    return columns
