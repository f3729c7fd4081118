"""Which samples neurons are mined on."""

from pathlib import Path
from typing import Any

from lode.artifacts import read_table
from lode.errors import UserError


def mining_split(split: str) -> str:
    """The part of a dataset that neurons are mined on: the tested one under `split: paper` (METHODS 1.7)."""
    return {"disjoint": "mine", "paper": "report"}[split]


def mined_samples(path: str, split: str, shard: int, num_shards: int) -> list[dict[str, Any]]:
    """The samples of one shard: every `num_shards`-th of the mining split, from the shard's number on.

    Args:
        path: a dataset table.
        split: the config's `split`.
        shard: which one, from 0.
        num_shards: how many there are.

    Raises:
        UserError: there is none.
    """
    part = mining_split(split)
    samples = [row for row in read_table(path, "dataset").to_pylist() if row["split"] == part][shard::num_shards]
    if not samples:
        raise UserError(
            f"{Path(path).name}: shard {shard} of {num_shards} has no {part!r} sample; use fewer shards or more samples"
        )
    return samples
