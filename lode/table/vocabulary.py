"""What the ids of tokens in `states` stand for: a row an id."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import DATASET_NAME, MODEL

VOCABULARY = Table(
    "vocabulary",
    pa.schema(
        [
            field("token_id", pa.int32(), "id", "of the tokenizer"),
            field("token", pa.string(), "text", "what it reads as, with a space before it if it has one"),
            field("is_word", pa.bool_(), "flag", "it is none of the model's special tokens"),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
