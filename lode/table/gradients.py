"""What a neuron does to the loss of the gold answer: a row a group, layer and neuron of a shard of a dataset."""

import pyarrow as pa

from lode.engine.tables import Table
from lode.table._gradients import COLUMNS
from lode.table._neuron import BLOCK
from lode.table._run import DATASET_NAME, MODEL

GRADIENTS = Table(
    "gradients", pa.schema([BLOCK, *COLUMNS]), keys=(MODEL, DATASET_NAME), path=("model", "dataset", "shard")
)
