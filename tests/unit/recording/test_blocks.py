"""Blocks of a job: as many shards would give the same, row by row, and counts that are recorded add up."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.tables import with_nulls
from lode.recording._blocks import by_block, summed
from lode.table._dense import blocks_of
from lode.table._neuron import BLOCK
from lode.table.statistics import STATISTICS

SAMPLES = [{"value": value} for value in range(7)]


def made(samples: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A table of two neurons that holds the sum and the number of the samples."""
    total = sum(sample["value"] for sample in samples)
    columns: dict[str, Any] = {field.name: np.zeros(2, int) for field in STATISTICS.schema if not field.nullable}
    columns |= {"site": ["lm_gate"] * 2, "group": ["prompt"] * 2, "neuron": [0, 1]}
    columns |= {"num_samples": [len(samples)] * 2, "positive_count": [total, 10 * total]}
    return columns, {"num_samples": len(samples), "batch_size": total, "drawn": {"lm_gate": {"num_tokens": total}}}


@pytest.mark.parametrize("num_blocks", [2, 3, 7])
def test_blocks_are_the_shards_of_as_many_jobs(num_blocks: int) -> None:
    columns, facts = by_block(SAMPLES, num_blocks, STATISTICS, made)
    blocks = blocks_of(pa.table(columns, schema=STATISTICS.schema))
    assert len(blocks) == num_blocks
    for number, block in enumerate(blocks):
        alone = pa.table(with_nulls(made(SAMPLES[number::num_blocks])[0], STATISTICS), schema=STATISTICS.schema)
        names = [name for name in STATISTICS.schema.names if name != BLOCK.name]
        assert block.select(names).equals(alone.select(names))
        assert block[BLOCK.name].to_pylist() == [number] * 2
    assert facts["num_samples"] == 7
    assert facts["drawn"] == {"lm_gate": {"num_tokens": 21}}
    assert facts["batch_size"] == min(sum(of["value"] for of in SAMPLES[b::num_blocks]) for b in range(num_blocks))


def test_one_block_is_no_cut() -> None:
    columns, facts = by_block(SAMPLES, 1, STATISTICS, made)
    whole = pa.table(with_nulls(columns, STATISTICS), schema=STATISTICS.schema)
    assert whole[BLOCK.name].null_count == 2
    assert [len(block) for block in blocks_of(whole)] == [2]
    assert facts == made(SAMPLES)[1]


def test_what_every_block_says_alike_is_said_once() -> None:
    facts = [{"dead_layers": {"tower": [3]}, "quota": 5, "num_missing": {"a": 1}} for _ in range(3)]
    assert summed(facts) == {"dead_layers": {"tower": [3]}, "quota": 5, "num_missing": {"a": 3}}
