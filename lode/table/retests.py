"""Would other samples have given the same set: a row a set and part of the mining samples."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import SITE
from lode.table._run import MODEL, SELECTION

RETESTS = Table(
    "retests",
    pa.schema(
        [
            SITE,
            field("set_name", pa.string(), "name", "the group that the neurons were selected for"),
            field(
                "part", pa.string(), "name", "`first`: the first shards, against all; `half`: even against odd shards"
            ),
            field("num_samples", pa.int64(), "samples", "mining samples of the part, of all datasets together"),
            field("num_neurons", pa.int32(), "neurons", "in the set from the part"),
            field("jaccard", pa.float64(), "Jaccard index", "overlap of the two sets; NaN: both are empty"),
            field("chance_jaccard", pa.float64(), "Jaccard index", "about that of two random sets of these sizes"),
            field("rank_correlation", pa.float64(), "Spearman", "of the scores of all neurons; NaN: one is constant"),
            field("reliability", pa.float64(), "Spearman-Brown", "of a half: what it comes to for all samples", True),
        ]
    ),
    keys=(MODEL, SELECTION),
    path=("model", "selection"),
)
