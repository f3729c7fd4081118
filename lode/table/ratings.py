"""How well a selection finds planted neurons: a row a group of one planted model."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import SITE
from lode.table._planting import STRENGTH
from lode.table._run import MODEL, SELECTION

#: The measures, each a column.
MEASURES = {
    "auroc": "area under the ROC curve: 0.5 is chance",
    "average_precision": "average precision: chance is the share of positives",
    "precision_at_k": "share of positives in the top k",
    "mute_at_k": "share of neurons in the top k that are specific but write nothing",
    "unspecific_at_k": "share of neurons in the top k that are large on every group",
    "host_at_k": "share of neurons in the top k that are hosts: as active on the group, and unspecific",
    "false_discovery_frac": "share of the selected set that is not positive; null for an empty set",
    "recall_frac": "share of positives in the selected set",
}
RATINGS = Table(
    "ratings",
    pa.schema(
        [
            STRENGTH,
            field("planting_seed", pa.int32(), "seed", "which planting"),
            SITE,
            field("group", pa.string(), "name", "whose neurons were sought"),
            field("num_neurons", pa.int32(), "neurons", "neurons of the model"),
            field("num_positive", pa.int32(), "neurons", "k: those that serve this group alone and act"),
            field("num_selected", pa.int32(), "neurons", "those that the selection chose for the group"),
            *(field(m, pa.float64(), "fraction", meaning, nullable=True) for m, meaning in MEASURES.items()),
        ]
    ),
    keys=(MODEL, SELECTION),
    path=("model", "selection"),
)
