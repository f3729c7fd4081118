"""Scores and drops by strata of samples: a row a score, neuron set, key and stratum."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._benchmark import BENCHMARK
from lode.table._neuron_set import NEURON_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._stratum import STRATUM
from lode.table._switched import NUM_NEURONS

_INTERVALS = (
    ("interval_low", "lower end of the 95 % interval of the value by clusters; null: one cluster"),
    ("interval_high", "upper end of that interval"),
    ("drop_low", "lower end of the paired 95 % interval of the drop; null: one cluster"),
    ("drop_high", "upper end of that interval"),
)
STRATA = Table(
    "strata",
    pa.schema(
        [
            *BENCHMARK,
            *NEURON_SET,
            NUM_NEURONS,
            *STRATUM,
            field("num_samples", pa.int32(), "samples", "samples of the stratum"),
            field("num_clusters", pa.int32(), "clusters", "clusters that they are of"),
            field(
                "value", pa.float64(), "score, or nats", "mean over samples; of `constant`, the best over all strata"
            ),
            field("drop", pa.float64(), "score, or nats", "the unmodified model, in this stratum - value"),
            *(field(name, pa.float64(), "score, or nats", text, nullable=True) for name, text in _INTERVALS),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention", "dataset"),
)
