"""What a row was measured by."""

import pyarrow as pa

from lode.engine.fields import field

OUTCOME = field(
    "outcome",
    pa.string(),
    "name",
    "`content` (nats of the gold answer, the primary one), `stopping` (nats of the end token after it), `score` (the "
    "headline of the benchmark, which what follows the answer cannot change), or `beside` (its other scores)",
)
