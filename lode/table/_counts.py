"""How much of a modality the captured samples hold."""

import pyarrow as pa

from lode.engine.fields import field

COUNTS = (
    field("num_samples", pa.int64(), "samples", "samples that hold the modality"),
    field("num_tokens", pa.int64(), "tokens", "tokens of the modality over all samples"),
)
