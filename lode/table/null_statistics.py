"""What one shard of a dataset gives where its samples are shown changed: a row a group, layer and neuron."""

from lode.engine.tables import Table
from lode.table._null import NULL_NAME
from lode.table._run import DATASET_NAME, MODEL
from lode.table.statistics import STATISTICS

NULL_STATISTICS = Table(
    "null_statistics",
    STATISTICS.schema,
    keys=(MODEL, DATASET_NAME, NULL_NAME),
    path=("model", "dataset", "null", "shard"),
)
