"""The logit lens on every sample: a row a variant, sample, group of tokens and layer."""

import pyarrow as pa

from lode.engine.tables import Table
from lode.table._lens import LENS_COLUMNS
from lode.table._run import DATASET_NAME, MODEL

LENS_SAMPLES = Table("lens_samples", pa.schema(LENS_COLUMNS), keys=(MODEL, DATASET_NAME), path=("model", "dataset"))
