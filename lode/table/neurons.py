"""The neuron sets of a selection and their controls: a row a neuron of a set."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import KEYS
from lode.table._neuron_set import NEURON_SET
from lode.table._run import MODEL, SELECTION

NEURONS = Table(
    "neurons",
    pa.schema(
        [
            *NEURON_SET,
            *KEYS,
            field("score", pa.float64(), "importance", "what the selection ranked by, NaN for a control"),
            field("rank", pa.int32(), "rank", "0 is the best of its set at the site, -1 for a control"),
            field(
                "effective_groups",
                pa.float64(),
                "groups",
                "exp(H) of its firing over the groups compared: 1 in one only; null: one group, or it never fires",
                nullable=True,
            ),
        ]
    ),
    keys=(MODEL, SELECTION),
    path=("model", "selection"),
)
