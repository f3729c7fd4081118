"""Stage 3: merge the shards of every mining dataset into one importance per group, layer and neuron."""

from typing import Any

from lode.config import StepConfig
from lode.engine.tables import write_table
from lode.importance.aggregation import importance_columns, shards_of
from lode.importance.dead_layers import dead_layers_of
from lode.table.importance import IMPORTANCE
from lode.table.statistics import STATISTICS


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Read all shards (io.statistics: paths `<dataset>/<shard>.parquet`) and write the importance table."""
    shards = shards_of(cfg.io["statistics"], STATISTICS, cfg.mining_datasets)
    dead = dead_layers_of(cfg.io["statistics"])
    write_table(cfg.io["importance"], IMPORTANCE, importance_columns(shards), {**made_by, "dead_layers": dead})
