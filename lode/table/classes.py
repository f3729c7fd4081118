"""What samples of each class are called: a row a score, neuron set and class."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._class_score import CLASS_SCORE
from lode.table._neuron_set import NEURON_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._switched import NUM_NEURONS

CLASSES = Table(
    "classes",
    pa.schema(
        [
            *CLASS_SCORE,
            *NEURON_SET,
            NUM_NEURONS,
            field("class_name", pa.string(), "text", "the class: the text of a choice"),
            field("num_gold", pa.int32(), "samples", "samples of the class"),
            field("num_said", pa.int32(), "samples", "samples that are called it"),
            field("num_right", pa.int32(), "samples", "samples of the class that are called it"),
            field("recall", pa.float64(), "share", "num_right / num_gold; null: no sample of it", True),
            field("precision", pa.float64(), "share", "num_right / num_said; null: nothing is called it", True),
            field("f1", pa.float64(), "share", "2 num_right / (num_gold + num_said); null: neither", True),
            field("said_frac", pa.float64(), "share", "share of all samples that are called it"),
            field(
                "confusion",
                pa.list_(pa.int32()),
                "samples",
                "samples of the class by what they are called: the classes of the set's rows in order, then no class",
            ),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention", "dataset"),
)
