"""The score of every sample: a row a score, sample and neuron set."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._benchmark import BENCHMARK
from lode.table._neuron_set import NEURON_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._switched import NUM_NEURONS

SAMPLE_SCORES = Table(
    "sample_scores",
    pa.schema(
        [
            *BENCHMARK,
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("cluster_id", pa.string(), "id", "as in the dataset"),
            *NEURON_SET,
            NUM_NEURONS,
            field("value", pa.float64(), "score, or nats", "of this sample, in the unit of the row"),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention", "dataset"),
)
