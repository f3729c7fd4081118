"""Declared differences between two strata: a row a score, contrast, set and kind of control of one benchmark."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._benchmark import BENCHMARK
from lode.table._controls import CONTROLS
from lode.table._method_set import METHOD_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._shift import RANK

_UNIT, _SHARE = "score, or nats", "share of what there was to lose"
CONTRASTS = Table(
    "contrasts",
    pa.schema(
        [
            *BENCHMARK,
            field("contrast_name", pa.string(), "name", "as in `dataset.contrasts`"),
            field("contrast_key", pa.string(), "name", "the key of `meta` that divides the samples"),
            field("one", pa.string(), "text", "the value of the samples that should lose"),
            field("other", pa.string(), "text", "the value of those that should not"),
            field("within", pa.string(), "name", "the key within whose equal values both are compared; empty: none"),
            field("parts", pa.list_(pa.string()), "texts", "the values of it that hold two clusters of both"),
            field("num_one", pa.int32(), "samples", "of the one, in these parts"),
            field("num_other", pa.int32(), "samples", "of the other, in these parts"),
            *METHOD_SET,
            field("drop_one", pa.float64(), _UNIT, "mean over parts of the mean drop of the one"),
            field("drop_other", pa.float64(), _UNIT, "the same of the other"),
            field("to_lose_one", pa.float64(), _UNIT, "mean over parts of clean - chance of the one; null: none", True),
            field("to_lose_other", pa.float64(), _UNIT, "the same of the other", True),
            field(
                "contrast", pa.float64(), _SHARE, "drop / to_lose of the one, less that of the other; null: none", True
            ),
            field("interval_low", pa.float64(), _SHARE, "lower end of its 95 % interval", True),
            field("interval_high", pa.float64(), _SHARE, "upper end of that interval", True),
            *CONTROLS,
            field("control_values", pa.list_(pa.float64()), _SHARE, "the contrast of each control, by draw"),
            field("control_mean", pa.float64(), _SHARE, "their mean", True),
            field("control_max", pa.float64(), _SHARE, "the largest of them", True),
            *RANK,
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention", "dataset"),
)
