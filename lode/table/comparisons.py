"""Sets against benchmarks, corrected over the whole matrix: a row a benchmark, outcome, set and kind of control."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._benchmark import BENCHMARK
from lode.table._controls import CONTROLS
from lode.table._drop import CONTROL_DROP_MAX, DROP, P_VALUE
from lode.table._equivalence import EQUIVALENT
from lode.table._method_set import METHOD_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION

COMPARISONS = Table(
    "comparisons",
    pa.schema(
        [
            *BENCHMARK,
            *METHOD_SET,
            field("own", pa.bool_(), "flag", "the benchmark is one of the set's own; null: none is", nullable=True),
            *DROP,
            EQUIVALENT,
            field("mcnemar_p", pa.float64(), "probability", "exact McNemar test against the clean model", True),
            field("mcnemar_p_holm", pa.float64(), "probability", "mcnemar_p after Holm over its family", True),
            *CONTROLS,
            CONTROL_DROP_MAX,
            P_VALUE,
            field("p_holm", pa.float64(), "probability", "p_value after Holm over the family"),
            field(
                "num_tests",
                pa.int32(),
                "tests",
                "size of the family: every (set, benchmark) of this table, outcome and kind",
            ),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention"),
)
