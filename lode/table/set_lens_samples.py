"""The logit lens on every sample with a set switched: a row a set, sample, group of tokens and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron_set import NEURON_SET
from lode.table._run import DATASET_NAME, INTERVENTION, MODEL, SELECTION
from lode.table._switched import NUM_NEURONS
from lode.table._traced import SAMPLE, STATE, TRACED_GROUP

SET_LENS_SAMPLES = Table(
    "set_lens_samples",
    pa.schema(
        [
            *NEURON_SET,
            NUM_NEURONS,
            *SAMPLE,
            TRACED_GROUP,
            STATE,
            field("num_tokens", pa.int32(), "tokens", "of the group in the sample that were looked at"),
            field("entropy", pa.float64(), "nats", "mean over these of that of the next token by the lens"),
            field("gold_logp", pa.float64(), "nats", "log-likelihood of the gold answer; null but at `last`", True),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION, DATASET_NAME),
    path=("model", "selection", "intervention", "dataset"),
)
