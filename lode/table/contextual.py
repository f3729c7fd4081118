"""Which state of a word the tokens of a group are nearest to: a row a variant, group, kind of tokens and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._paired import INTERVAL, VARIANT_DIFFERENCE
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import STATE, TRACED_GROUP, VARIANT

CONTEXTUAL = Table(
    "contextual",
    pa.schema(
        [
            VARIANT,
            TRACED_GROUP,
            field("tokens", pa.string(), "name", "`media`: tokens that stand for a medium; `words`: all others"),
            STATE,
            field("num_samples", pa.int32(), "samples", "that hold such tokens"),
            field("num_tokens", pa.int32(), "tokens", "of these, as the reservoir has them"),
            field("cosine", pa.float64(), "cosine", "to the nearest state of a word of another cluster, mean"),
            field("nearest_layer", pa.float64(), "index", "the state that this is, mean over tokens, then samples"),
            *INTERVAL,
            *VARIANT_DIFFERENCE,
            field("num_named", pa.int32(), "samples", "of which the bank has words of objects, and of others"),
            field(
                "named", pa.float64(), "share", "of tokens with such a word among the five nearest; null: none", True
            ),
            field("other_named", pa.float64(), "share", "the same of words of objects of other samples", True),
            field("named_gap", pa.float64(), "share", "named less other_named", True),
            field("gap_low", pa.float64(), "share", "lower end of its 95 % interval; null: one cluster", True),
            field("gap_high", pa.float64(), "share", "upper end of that interval", True),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
