"""Residual states of a seeded reservoir of tokens: a row a variant, token and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import SAMPLE, STATE, TRACED_GROUP, VARIANT

STATES = Table(
    "states",
    pa.schema(
        [
            VARIANT,
            *SAMPLE,
            TRACED_GROUP,
            field("position", pa.int32(), "index", "of the token in the prompt of the sample, without padding"),
            field("token_id", pa.int32(), "id", "of the tokenizer; -1: a token that stands for a medium"),
            field("is_last", pa.bool_(), "yes or no", "whether it is the last token of the prompt"),
            STATE,
            field("norm", pa.float32(), "length", "of the whole state"),
            field(
                "state",
                pa.list_(pa.float32()),
                "values",
                "the state; where it has more than 256 values, these by one seeded Gaussian map that keeps lengths on "
                "average",
            ),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
