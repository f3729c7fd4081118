"""What was planted in a model: a row a neuron with a role."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import LAYER, NEURON, SITE
from lode.table._run import MODEL

TRUTH = Table(
    "truth",
    pa.schema(
        [
            SITE,
            LAYER,
            NEURON,
            field(
                "role",
                pa.string(),
                "name",
                "planted, redundant, specific_mute, large_unspecific, cancelling, sentinel, dead, host, or existing",
            ),
            field("group", pa.string(), "name", "the only group that the neuron serves, else empty"),
            field(
                "pair",
                pa.int32(),
                "index",
                "partners, and a neuron that was there and its twin, share a number; else -1",
            ),
            field("acts", pa.bool_(), "flag", "it writes something at some token of real samples"),
        ]
    ),
    keys=(MODEL,),
    path=("model",),
)
