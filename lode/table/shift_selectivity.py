"""Does a set move the states of its own group more than those of others: a row a set and kind of control of one run."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._controls import CONTROLS
from lode.table._method_set import METHOD_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._shift import RANK

SHIFT_SELECTIVITY = Table(
    "shift_selectivity",
    pa.schema(
        [
            *METHOD_SET,
            field(
                "others", pa.list_(pa.string()), "names", "groups of the other sets that share no token with its own"
            ),
            field("shift_own", pa.float64(), "share of length", "mean shift of the last states of its own group"),
            field("shift_others", pa.float64(), "share of length", "mean over the others of theirs"),
            field("selectivity", pa.float64(), "share of length", "shift_own - shift_others"),
            field("interval_low", pa.float64(), "share of length", "lower end of its 95 % interval", True),
            field("interval_high", pa.float64(), "share of length", "upper end of that interval", True),
            *CONTROLS,
            field("control_values", pa.list_(pa.float64()), "share of length", "selectivity of each control, by draw"),
            field(
                "control_magnitudes",
                pa.list_(pa.float64()),
                "ratio",
                "what each of them writes over what the set writes; null: unknown",
                True,
            ),
            field("control_mean", pa.float64(), "share of length", "their mean", True),
            field("control_max", pa.float64(), "share of length", "the largest of them", True),
            *RANK,
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention"),
)
