"""Is a set specific, judged over the whole report: a row a run, method set and outcome, at its headline controls."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._selectivity import COLUMNS

_CONTROLS = (
    field(
        "magnitude_ratio",
        pa.float64(),
        "ratio",
        "mean |activation| times write norm: of the controls over that of the set, at the site where it is smallest; "
        "null: not recorded",
        True,
    ),
    field(
        "control_magnitudes",
        pa.list_(pa.float64()),
        "ratio",
        "the same of each control, its mean over sites weighted by the set's neurons, in the order of "
        "`control_values`; null: not recorded",
        True,
    ),
    field("shared_frac", pa.float64(), "share", "of a control's neurons, the set's own; null: not recorded", True),
    field(
        "num_different",
        pa.int32(),
        "draws",
        "controls that differ from each other and from the set; null: not recorded",
        True,
    ),
)
_JUDGEMENT = (
    field("verdict", pa.string(), "name", "`specific`, `not_specific` or `cannot_be_told`"),
    field("reason", pa.string(), "text", "why, in a few words"),
    field("p_value", pa.float64(), "probability", "(1 + controls at least as selective) / (1 + controls)", True),
    field(
        "p_corrected",
        pa.float64(),
        "probability",
        "share of draws in which any of the report's sets stands out among its own as much; null: not tested",
        True,
    ),
    field("num_at_stake", pa.int32(), "tests", "those of them that `p_corrected` is over: something is lost"),
    field("num_tests", pa.int32(), "tests", "sets and runs of the report that have matched controls"),
    field("simultaneous_low", pa.float64(), "share", "lower end of the interval that holds for all tests", True),
    field("simultaneous_high", pa.float64(), "share", "upper end of that interval", True),
)
VERDICTS = Table(
    "verdicts",
    pa.schema(
        [
            MODEL,
            SELECTION,
            INTERVENTION,
            *COLUMNS,
            *_CONTROLS,
            *_JUDGEMENT,
        ]
    ),
)
