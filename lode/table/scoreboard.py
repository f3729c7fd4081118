"""Which selection finds planted neurons: a row a selection, strength, group and measure, over all plantings."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron import SITE
from lode.table._planting import STRENGTH
from lode.table._run import SELECTION

SCOREBOARD = Table(
    "scoreboard",
    pa.schema(
        [
            SELECTION,
            STRENGTH,
            SITE,
            field("group", pa.string(), "name", "whose neurons were sought, or `all`: the mean over groups"),
            field("measure", pa.string(), "name", "a column of the ratings"),
            field("num_seeds", pa.int32(), "seeds", "plantings that the mean is over"),
            field("mean", pa.float64(), "fraction", "mean over plantings", nullable=True),
            field("low", pa.float64(), "fraction", "smallest value of a planting", nullable=True),
            field("high", pa.float64(), "fraction", "largest value of a planting", nullable=True),
        ]
    ),
)
