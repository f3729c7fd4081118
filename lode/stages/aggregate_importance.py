"""Stage 3: merge the shards of every mining dataset into one importance per modality, layer and neuron."""

from typing import Any

from lode.artifacts import write_table
from lode.importance.aggregation import importance_columns, shards_of


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Read all shards (io.statistics: paths `<dataset>/<shard>.parquet`) and write the importance table."""
    shards = shards_of(cfg.io.statistics, "statistics", cfg.mining_datasets)
    write_table(cfg.io.importance, "importance", importance_columns(shards), made_by)
