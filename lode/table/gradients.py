"""What a neuron does to the loss of the gold answer: a row a modality, layer and neuron of a shard of a dataset."""

import pyarrow as pa

from lode.engine.tables import Table
from lode.table._gradients import COLUMNS
from lode.table._run import DATASET_NAME, MODEL

GRADIENTS = Table("gradients", pa.schema([*COLUMNS]), keys=(MODEL, DATASET_NAME), path=("model", "dataset", "shard"))
