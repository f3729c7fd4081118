"""What the last token takes from where, mean over samples: a row a variant, group of tokens and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._flow import ATTENTION_LAYER, FLOW_GROUP
from lode.table._paired import INTERVAL, VARIANT_DIFFERENCE
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import VARIANT

FLOW = Table(
    "flow",
    pa.schema(
        [
            VARIANT,
            FLOW_GROUP,
            ATTENTION_LAYER,
            field("num_samples", pa.int32(), "samples", "that hold the group"),
            field("num_tokens", pa.float64(), "tokens", "of the group, mean over these samples"),
            field("mass", pa.float64(), "share", "of the attention of the last token"),
            field("mass_low", pa.float64(), "share", "lower end of its 95 % interval; null: one cluster", True),
            field("mass_high", pa.float64(), "share", "upper end of that interval", True),
            field("contribution_norm", pa.float64(), "length", "of what these tokens add to the attention's output"),
            field("share", pa.float64(), "share", "of the output of the attention, along itself"),
            *INTERVAL,
            *VARIANT_DIFFERENCE,
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
