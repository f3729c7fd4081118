"""What a selection finds under each null: a row a site, group, null and draw."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import GROUP, SITE
from lode.table._null import DRAW, NULL_NAME
from lode.table._run import MODEL, SELECTION

SET_NULLS = Table(
    "set_nulls",
    pa.schema(
        [
            SITE,
            GROUP,
            NULL_NAME,
            DRAW,
            field("num_groups", pa.int32(), "groups", "that were compared: two under `halves`"),
            field("num_neurons", pa.int32(), "neurons", "in the set under the null, of both halves together"),
            field("num_real", pa.int32(), "neurons", "in the real set"),
            field("jaccard", pa.float64(), "Jaccard index", "overlap of the two; NaN: both are empty"),
            field(
                "num_as_good",
                pa.int32(),
                "neurons",
                "that the null scores as high as the lowest of the real set; `none`: the real scores do, more than the "
                "set where some tie and were cut; null under `halves`, and where scores are places or chance",
                nullable=True,
            ),
            field(
                "false_discovery",
                pa.float64(),
                "share",
                "num_as_good over that of `none`: the null would give so much of it at the same bar; above 1 too",
                nullable=True,
            ),
            field("effective_groups", pa.float64(), "groups", "mean exp(H) of the set's neurons; NaN: it is empty"),
        ]
    ),
    keys=(MODEL, SELECTION),
    path=("model", "selection"),
)
