"""How important a neuron is to a group, over all mining datasets: a row a group, layer and neuron of a model."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.importance import BY_ATTENTION, METRICS, NORMALISATIONS, by_normalisation
from lode.table._activations import ACTIVATIONS
from lode.table._counts import COUNTS
from lode.table._neuron import KEYS
from lode.table._run import MODEL

IMPORTANCE = Table(
    "importance",
    pa.schema(
        [
            *KEYS,
            *(
                field(m, pa.float64(), "normalised", f"MINER importance by {m}", nullable=m in BY_ATTENTION)
                for m in METRICS
            ),
            *COUNTS,
            *ACTIVATIONS,
            *(
                field(
                    by_normalisation(m),
                    pa.list_(pa.float64()),
                    "normalised",
                    f"{m} by normalisation, in the order of {', '.join(NORMALISATIONS)}; with "
                    "capture.all_normalisations",
                    nullable=True,
                )
                for m in METRICS
            ),
        ]
    ),
    keys=(MODEL,),
    path=("model",),
)
