"""Which benchmark and score a row is about."""

import pyarrow as pa

from lode.engine.fields import field
from lode.table._outcome import OUTCOME

BENCHMARK = (
    field("dataset", pa.string(), "name", "the benchmark"),
    field("score_name", pa.string(), "name", "the scoring rule"),
    OUTCOME,
    field("unit", pa.string(), "name", "`nats`, `score in [0, 1]`, `CIDEr-D / 10`, or `share, at most 1`"),
)
