"""What the last token takes from where, in every sample: a row a variant, sample, group of tokens and layer."""

import pyarrow as pa

from lode.engine.tables import Table
from lode.table._flow import FLOW_COLUMNS
from lode.table._run import DATASET_NAME, MODEL

FLOW_SAMPLES = Table("flow_samples", pa.schema(FLOW_COLUMNS), keys=(MODEL, DATASET_NAME), path=("model", "dataset"))
