"""Three stages of entropy by depth as contrasts: a row a group of tokens, contrast, and null beside it."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._paired import INTERVAL
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import TRACED_GROUP

STAGES = Table(
    "stages",
    pa.schema(
        [
            TRACED_GROUP,
            field(
                "contrast",
                pa.string(),
                "name",
                "`first`: e(1) - e(0); `middle`: slope from layer L / 4 to 3 L / 4; `last`: e(L) - e(L - 1); `rise`: "
                "e(L) less the lowest layer's, found on the other half of the samples; `three_stages`: all of them",
            ),
            field("null_name", pa.string(), "name", "the variant it is compared with; `none`: with 0"),
            field("num_samples", pa.int32(), "samples", "that hold the group"),
            field("value", pa.float64(), "nats", "mean over samples, `middle` a layer; null for `three_stages`", True),
            *INTERVAL,
            field("null_value", pa.float64(), "nats", "the same under the null", True),
            field("difference", pa.float64(), "nats", "value less that of the null, on the same samples", True),
            field("difference_low", pa.float64(), "nats", "lower end of its 95 % interval", True),
            field("difference_high", pa.float64(), "nats", "upper end of that interval", True),
            field(
                "verdict",
                pa.string(),
                "name",
                "`yes`, `no`; `cannot_be_told`: one cluster; `not_asked`: nothing is claimed of this against a null",
            ),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
