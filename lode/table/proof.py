"""What switching planted neurons off changes: a row a dataset, role and group."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import SITE
from lode.table._run import MODEL

PROOF = Table(
    "proof",
    pa.schema(
        [
            field("dataset", pa.string(), "name", "whose samples were run"),
            SITE,
            field(
                "role",
                pa.string(),
                "name",
                "what was switched off; `none`: planting itself; `emptied`: planting, with all that was planted off; "
                "`_peers`: neurons that were there, of the same size",
            ),
            field("group", pa.string(), "name", "of the neurons that were switched off"),
            field("num_neurons", pa.int32(), "neurons", "how many were switched off"),
            field("holds_group", pa.bool_(), "flag", "the dataset, or these samples of it, hold that group"),
            field(
                "fires_frac",
                pa.float64(),
                "fraction",
                "share of the rows of these samples that a neuron of the set fires on; null in the gate",
                nullable=True,
            ),
            field("max_logit_change", pa.float64(), "logit", "largest change of a logit at any token"),
            field("gold_log_likelihood_change", pa.float64(), "nats", "mean change for the right answers"),
        ]
    ),
    keys=(MODEL,),
    path=("model",),
)
