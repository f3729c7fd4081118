"""Which samples neurons are mined on."""

from pathlib import Path
from typing import Any

from lode.engine.errors import UserError
from lode.engine.tables import read_table
from lode.table.dataset import DATASET


def mining_split(split: str) -> str:
    """The part of a dataset that neurons are mined on: the tested one under `split: paper` (docs/methods.md 1.7)."""
    return {"disjoint": "mine", "paper": "test"}[split]


def num_mined(path: str, split: str) -> int:
    """How many samples of a dataset are mined, in all shards; arguments are those of `mined_samples`."""
    return read_table(path, DATASET)["split"].to_pylist().count(mining_split(split))


def mined_samples(path: str, split: str, shard: int, num_shards: int) -> list[dict[str, Any]]:
    """The samples of one shard: every `num_shards`-th of the mining split, from the shard's number on.

    Args:
        path: a dataset table.
        split: the config's `split`.
        shard: which one, from 0.
        num_shards: how many there are.

    Raises:
        UserError: there are more shards than samples; every shard says so, so that the first job ends the run.
    """
    part = mining_split(split)
    samples = [row for row in read_table(path, DATASET).to_pylist() if row["split"] == part]
    if num_shards > len(samples):
        raise UserError(
            f"{Path(path).name}: {num_shards} shards of {len(samples)} {part!r} samples; expected no more shards than "
            "samples. Set capture.shards to fewer, or draw more samples"
        )
    return samples[shard::num_shards]
