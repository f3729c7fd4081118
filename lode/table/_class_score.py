"""By which score replies are read as classes, on which benchmark."""

import pyarrow as pa

from lode.engine.fields import field

CLASS_SCORE = (
    field("dataset", pa.string(), "name", "the benchmark"),
    field("score_name", pa.string(), "name", "the score that reads replies as choices"),
)
