"""Which run a file is of: columns that no step makes, as the path of the file says them.

A planted model is a model as any other; a shard is in the path alone.
"""

import pyarrow as pa

from lode.engine.fields import field

MODEL = field("model", pa.string(), "name", "the model")
SELECTION = field("selection", pa.string(), "name", "the selection, as the experiment names it")
INTERVENTION = field("intervention", pa.string(), "name", "the intervention, as the experiment names it")
DATASET_NAME = field("dataset", pa.string(), "name", "the dataset")
