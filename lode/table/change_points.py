"""Where the mean entropy of a group bends by depth: a row a variant and group of tokens."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import TRACED_GROUP, VARIANT

CHANGE_POINTS = Table(
    "change_points",
    pa.schema(
        [
            VARIANT,
            TRACED_GROUP,
            field("num_samples", pa.int32(), "samples", "that hold the group"),
            field("num_states", pa.int16(), "states", "of the curve"),
            field("first_break", pa.int16(), "index", "state where it bends first; null: cannot be told", True),
            field("first_low", pa.float64(), "index", "lower end of its 95 % interval over clusters", True),
            field("first_high", pa.float64(), "index", "upper end of that interval", True),
            field("second_break", pa.int16(), "index", "state where it bends again", True),
            field("second_low", pa.float64(), "index", "lower end of its 95 % interval", True),
            field("second_high", pa.float64(), "index", "upper end of that interval", True),
            field("slope_before", pa.float64(), "nats a state", "up to the first break", True),
            field("slope_between", pa.float64(), "nats a state", "between the breaks", True),
            field("slope_after", pa.float64(), "nats a state", "from the second on", True),
            field(
                "bic_gain", pa.float64(), "BIC", "of one straight line less that of two breaks; above 0: breaks", True
            ),
            field("p_value", pa.float64(), "p", "how often sampling alone would explain as much by breaks", True),
            field(
                "verdict",
                pa.string(),
                "name",
                "`bent`, by one break, two, or smoothly: `bic_gain` above 0 and `p_value` at most 0.05; `line`: else; "
                "`cannot_be_told`: fewer than ten clusters or seven states",
            ),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
