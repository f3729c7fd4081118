"""How much of a group the captured samples hold."""

import pyarrow as pa

from lode.engine.fields import field

COUNTS = (
    field("num_samples", pa.int64(), "samples", "samples that hold the group"),
    field(
        "num_tokens",
        pa.int64(),
        "tokens",
        "tokens of the group over all samples; of a tower rows: patches, frames, queries",
    ),
)
