"""What a set changes inside the model, beside its controls: a row a set, kind of control, measure, group and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._controls import CONTROLS
from lode.table._method_set import METHOD_SET
from lode.table._paired import INTERVAL
from lode.table._run import DATASET_NAME, INTERVENTION, MODEL, SELECTION

TRACE_TESTS = Table(
    "trace_tests",
    pa.schema(
        [
            *METHOD_SET,
            field(
                "measure",
                pa.string(),
                "name",
                "`gold_logp`: of the gold answer by the lens; `entropy`: of the next token by the lens; `mass` and "
                "`share`: of what the last token takes",
            ),
            field("group", pa.string(), "name", "of the tokens: that of the table the measure is from"),
            field("layer", pa.int16(), "index", "of `gold_logp` and `entropy` the state, else whose attention"),
            field("num_samples", pa.int32(), "samples", "that hold the group"),
            field("clean", pa.float64(), "nats or share", "mean over these with nothing switched"),
            field("difference", pa.float64(), "as clean", "with the set switched less clean, mean over the same"),
            *INTERVAL,
            *CONTROLS,
            field("control_mean", pa.float64(), "as clean", "of the differences of the controls; null: none", True),
            field("control_min", pa.float64(), "as clean", "the lowest of them", True),
            field("control_max", pa.float64(), "as clean", "the highest", True),
            field(
                "p_value",
                pa.float64(),
                "p",
                "rank among the controls, per magnitude too, the largest: of what is lost of `gold_logp`, of the "
                "size of the difference elsewhere",
            ),
            field(
                "p_corrected",
                pa.float64(),
                "p",
                "the same for the best of all sets, groups and layers of the measure; null: no test",
                True,
            ),
            field("size_ratio", pa.float64(), "ratio", "what controls write over what the set writes", True),
            field(
                "verdict",
                pa.string(),
                "name",
                "of this row alone: `beyond_controls`, `within_controls`, `nothing_changed` (less than 0.01 by the "
                "set and by every control), `unmatchable` (controls write below 0.9 of what it does), "
                "`too_few_controls` (below 20), `no_controls`",
            ),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION, DATASET_NAME),
    path=("model", "selection", "intervention", "dataset"),
)
