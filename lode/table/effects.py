"""What switching a set costs on a benchmark, beside its controls: a row a score, method set and kind of control."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._benchmark import BENCHMARK
from lode.table._controls import CONTROLS
from lode.table._drop import CONTROL_DROP_MAX, DROP, P_VALUE
from lode.table._equivalence import EQUIVALENT
from lode.table._method_set import METHOD_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION

_EFFECT_SIZES = (
    field("cohen_d", pa.float64(), "ratio", "d_z: mean / standard deviation of drops; null: no spread", True),
    field("odds_ratio", pa.float64(), "ratio", "(lost + 1/2) / (won + 1/2) samples; null: score not binary", True),
    field("mcnemar_p", pa.float64(), "probability", "exact McNemar test; null: score not binary", True),
)
EFFECTS = Table(
    "effects",
    pa.schema(
        [
            *BENCHMARK,
            *METHOD_SET,
            *DROP,
            EQUIVALENT,
            *_EFFECT_SIZES,
            *CONTROLS,
            field("control_drop_mean", pa.float64(), "score, or nats", "mean drop of the controls"),
            field("control_drop_min", pa.float64(), "score, or nats", "smallest drop of a control"),
            CONTROL_DROP_MAX,
            P_VALUE,
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention", "dataset"),
)
