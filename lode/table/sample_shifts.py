"""How far switching a set moves the last hidden states of every sample: a row a set, sample and group of tokens."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron_set import NEURON_SET
from lode.table._run import DATASET_NAME, INTERVENTION, MODEL, SELECTION
from lode.table._shift import GROUP
from lode.table._switched import NUM_NEURONS

SAMPLE_SHIFTS = Table(
    "sample_shifts",
    pa.schema(
        [
            *NEURON_SET,
            NUM_NEURONS,
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("cluster_id", pa.string(), "id", "as in the dataset"),
            GROUP,
            field("num_tokens", pa.int32(), "tokens", "of the group in the sample"),
            field("shift", pa.float64(), "share of length", "mean over these of |h' - h| / |h| after the last layer"),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION, DATASET_NAME),
    path=("model", "selection", "intervention", "dataset"),
)
