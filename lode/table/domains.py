"""How the sets of groups share the neurons of a layer: a row a site, layer, group, null and draw."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import GROUP, LAYER, SITE
from lode.table._null import DRAW, NULL_NAME
from lode.table._run import MODEL, SELECTION

DOMAINS = Table(
    "domains",
    pa.schema(
        [
            SITE,
            LAYER,
            GROUP,
            NULL_NAME,
            DRAW,
            field("num_owned", pa.int32(), "neurons", "of the layer in the set of the group"),
            field("num_exclusive", pa.int32(), "neurons", "of these in no other set"),
            field(
                "num_shared", pa.list_(pa.int32()), "neurons", "of these in exactly k sets, k = 2 ... number of groups"
            ),
            field("effective_groups_mean", pa.float64(), "groups", "mean exp(H) of these; NaN: there are none"),
            field(
                "bar", pa.float64(), "probability", "95th percentile of P(a > 0) over neurons and groups of the site"
            ),
            field("expected", pa.float64(), "neurons", "in each layer, if the set were spread evenly"),
        ]
    ),
    keys=(MODEL, SELECTION),
    path=("model", "selection"),
)
