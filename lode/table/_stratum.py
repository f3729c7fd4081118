"""Which samples a row is about: those with one value of a key of their `meta`."""

import pyarrow as pa

from lode.engine.fields import field

STRATUM = (
    field("stratum_key", pa.string(), "name", "the key of `meta` by which samples are divided, or several joined by +"),
    field("stratum", pa.string(), "text", "the value that all samples of the row have, or theirs joined by +"),
)
