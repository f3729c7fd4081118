"""Samples of a job in blocks that are kept apart: what permuted labels, halves and resampled profiles are made of.

A block is every so-manyth sample, as a shard is; with blocks one job gives what as many shards would, and the model is
loaded once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from lode.engine.tables import Table, with_nulls
from lode.table._neuron import BLOCK

#: The columns of a table, and what is to be recorded of its making.
Made = tuple[Mapping[str, Any], Mapping[str, Any]]
#: What is recorded of every block alike.
ALIKE = ("dead_layers", "quota")


def by_block(
    samples: Sequence[Mapping[str, Any]],
    num_blocks: int,
    table: Table,
    make: Callable[[Sequence[Mapping[str, Any]]], Made],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is made of every block, its rows one after the other; counts that are recorded are added up.

    Args:
        samples: of a job.
        num_blocks: block b holds every `num_blocks`-th sample from b on; 1: they are not cut.
        table: that is made.
        make: of the samples of a block.
    """
    made = [make(samples[block::num_blocks]) for block in range(num_blocks)]
    facts = summed([facts for _, facts in made])
    if num_blocks == 1:
        return dict(made[0][0]), facts
    tables = []
    for block, (columns, _) in enumerate(made):
        length = len(next(iter(columns.values())))
        numbered = {**columns, BLOCK.name: pa.repeat(pa.scalar(block, BLOCK.type), length)}
        tables.append(pa.table(with_nulls(numbered, table), schema=table.schema))
    whole = pa.concat_tables(tables)
    return {name: whole[name] for name in whole.column_names}, facts


def summed(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is recorded of all blocks: the least batch size, and other numbers added up, key by key."""
    whole: dict[str, Any] = {}
    for name in dict.fromkeys(name for of in facts for name in of):
        values = [of[name] for of in facts if name in of]
        if name in ALIKE:
            whole[name] = values[0]
        elif isinstance(values[0], Mapping):
            whole[name] = summed(values)
        else:
            whole[name] = min(values) if name == "batch_size" else sum(values)
    return whole
