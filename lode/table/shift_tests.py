"""How far a set moves the last states of a group, beside its controls: a row a set, group, benchmark and kind."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._controls import CONTROLS
from lode.table._method_set import METHOD_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._shift import GROUP, RANK, SHIFT

SHIFT_TESTS = Table(
    "shift_tests",
    pa.schema(
        [
            *METHOD_SET,
            GROUP,
            field("own", pa.bool_(), "flag", "it is the group that the set was selected for"),
            field("dataset", pa.string(), "name", "the benchmark; null: the mean over all that hold the group", True),
            field("num_samples", pa.int32(), "samples", "that hold the group"),
            *SHIFT,
            *CONTROLS,
            field("control_mean", pa.float64(), "share of length", "mean shift of the controls", True),
            field("control_max", pa.float64(), "share of length", "largest shift of a control", True),
            *RANK,
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention"),
)
