"""What every layer would say at single tokens: a row a variant, token and layer, with its likeliest words."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import SAMPLE, STATE, TRACED_GROUP, VARIANT

LENS_TOKENS = Table(
    "lens_tokens",
    pa.schema(
        [
            VARIANT,
            *SAMPLE,
            TRACED_GROUP,
            field("position", pa.int32(), "index", "of the token in the prompt of the sample, without padding"),
            field("token", pa.string(), "text", "as it stands in the prompt; of a medium its placeholder"),
            field("grid_row", pa.int16(), "index", "of a picture shown as a grid, the row of its patch", True),
            field("grid_column", pa.int16(), "index", "and its column", True),
            STATE,
            field(
                "words", pa.list_(pa.string()), "text", "the five likeliest next tokens by the lens, likeliest first"
            ),
            field("probabilities", pa.list_(pa.float32()), "probability", "of these"),
            field("object_rank", pa.int32(), "rank", "best of the words of the sample's objects, at media", True),
            field("other_rank", pa.int32(), "rank", "the same of words of objects of another sample", True),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
