"""Which null a row is about, and which draw of it."""

import pyarrow as pa

from lode.engine.fields import field

NULL_NAME = field(
    "null",
    pa.string(),
    "name",
    "`none`: the samples as they are; `blank`, `same_prompt`, `permuted`, `halves`: the null (docs/methods.md 4.18)",
)
DRAW = field("draw", pa.int32(), "index", "which draw of a random null, 0 of one that is not random")
