"""How far switching a set moves the hidden states of prompts: a row a set, group of tokens and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron_set import NEURON_SET
from lode.table._run import DATASET_NAME, INTERVENTION, MODEL, SELECTION
from lode.table._shift import GROUP, SHIFT
from lode.table._switched import NUM_NEURONS

SHIFTS = Table(
    "shifts",
    pa.schema(
        [
            *NEURON_SET,
            NUM_NEURONS,
            GROUP,
            field("layer", pa.int16(), "index", "states: 0 is the input of the first layer, l what layer l - 1 gives"),
            field("num_samples", pa.int32(), "samples", "that hold the group"),
            field("num_tokens", pa.int64(), "tokens", "of the group, in these samples"),
            *SHIFT,
            field("cosine", pa.float64(), "cosine", "mean of that of the angle between the states"),
            field("parallel", pa.float64(), "share of length", "mean growth along the clean state; below 0: shorter"),
            field(
                "parallel_frac",
                pa.float64(),
                "share",
                "of the squared shift, what lies along the clean state: 1 scales, 0 turns; null: nothing moved",
                True,
            ),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION, DATASET_NAME),
    path=("model", "selection", "intervention", "dataset"),
)
