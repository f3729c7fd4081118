"""What the last token takes from where in every sample with a set switched: a row a set, sample, group and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._flow import ATTENTION_LAYER, FLOW_GROUP
from lode.table._neuron_set import NEURON_SET
from lode.table._run import DATASET_NAME, INTERVENTION, MODEL, SELECTION
from lode.table._switched import NUM_NEURONS
from lode.table._traced import SAMPLE

SET_FLOW_SAMPLES = Table(
    "set_flow_samples",
    pa.schema(
        [
            *NEURON_SET,
            NUM_NEURONS,
            *SAMPLE,
            FLOW_GROUP,
            ATTENTION_LAYER,
            field("num_tokens", pa.int32(), "tokens", "of the group in the sample, at this layer"),
            field("mass", pa.float64(), "share", "of the attention of the last token, mean over heads"),
            field("share", pa.float64(), "share", "of the output of that attention, along itself; may be below 0"),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION, DATASET_NAME),
    path=("model", "selection", "intervention", "dataset"),
)
