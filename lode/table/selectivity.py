"""Does a set cost more on its own benchmarks: a row a method set, outcome and kind of control of one run."""

import pyarrow as pa

from lode.engine.tables import Table
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._selectivity import COLUMNS

SELECTIVITY = Table(
    "selectivity",
    pa.schema([*COLUMNS]),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention"),
)
