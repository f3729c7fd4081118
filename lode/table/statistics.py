"""What one shard of a dataset gives: a row a group, layer and neuron."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.importance import BY_ATTENTION, METRICS, NORMALISATIONS, score_sums
from lode.table._activations import ACTIVATIONS
from lode.table._counts import COUNTS
from lode.table._neuron import BLOCK, KEYS
from lode.table._run import DATASET_NAME, MODEL

STATISTICS = Table(
    "statistics",
    pa.schema(
        [
            BLOCK,
            *KEYS,
            *COUNTS,
            *ACTIVATIONS,
            *(
                field(
                    f"{m}_score_sum",
                    pa.float64(),
                    "normalised",
                    f"sum over samples of normalised {m} importance",
                    nullable=m in BY_ATTENTION,
                )
                for m in METRICS
            ),
            *(
                field(
                    score_sums(m),
                    pa.list_(pa.float64()),
                    "normalised",
                    f"that of {m} by normalisation, in the order of {', '.join(NORMALISATIONS)}; with "
                    "capture.all_normalisations",
                    nullable=True,
                )
                for m in METRICS
            ),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset", "shard"),
)
