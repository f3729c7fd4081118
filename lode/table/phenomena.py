"""Probing and telomeres, as we define them: a row a variant, phenomenon, group of tokens and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._paired import INTERVAL, VARIANT_DIFFERENCE
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import STATE, VARIANT

PHENOMENA = Table(
    "phenomena",
    pa.schema(
        [
            VARIANT,
            field("phenomenon", pa.string(), "name", "`probing` or `telomere`: docs/methods.md 7.13"),
            field("group", pa.string(), "name", "part of the grouping"),
            field("bank", pa.string(), "name", "the part whose tokens are reached for"),
            STATE,
            field("num_tokens", pa.int32(), "tokens", "of the group"),
            field("reach", pa.float64(), "cosine", "to the nearest token of the bank, of another cluster and id: mean"),
            field("tail", pa.float64(), "cosine", "95 % point of the same over tokens"),
            field("baseline", pa.float64(), "cosine", "mean reach of the tokens of the bank"),
            field("index", pa.float64(), "cosine", "probing: reach less that at layer 0; telomere: less the baseline"),
            *INTERVAL,
            *VARIANT_DIFFERENCE,
            field("null_low", pa.float64(), "cosine", "5 % point of the same draws as the next", True),
            field("null_high", pa.float64(), "cosine", "95 % point with labels dealt anew among ids of group and bank; "
                  "null: probing, a variant, or too few ids for any p of 0.05", True),
            field("p_value", pa.float64(), "p", "rank of the index among these", True),
            field("persistence", pa.int16(), "layers", "most in a row at which the index stands out: telomere, from "
                  "state 1 on, above 0 by its whole interval and above `null_high` (null: cannot be told, for that is "
                  "null); probing, above 0 and, of clean samples, every variant, by whole intervals", True),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)  # fmt: skip
