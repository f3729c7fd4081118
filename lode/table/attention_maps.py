"""Which tokens the last one of a prompt looks at: a row a sample, variant, layer and token."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import TRACED_GROUP, VARIANT

ATTENTION_MAPS = Table(
    "attention_maps",
    pa.schema(
        [
            VARIANT,
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("layer", pa.int16(), "index", "whose attention: layer l reads the states l"),
            field("position", pa.int32(), "index", "of the token, from the beginning of the prompt"),
            TRACED_GROUP,
            field("token", pa.string(), "text", "as the tokenizer reads it"),
            field("mass", pa.float64(), "share", "of the last token's attention, mean over heads"),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
