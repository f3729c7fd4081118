"""What a neuron does to the loss of the gold answer: a row a modality, layer and neuron of a model."""

import pyarrow as pa

from lode.engine.tables import Table
from lode.table._gradients import COLUMNS
from lode.table._run import MODEL

ATTRIBUTIONS = Table("attributions", pa.schema([*COLUMNS]), keys=(MODEL,), path=("model",))
