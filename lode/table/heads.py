"""What each head of attention takes and what is lost without it: a row a layer, head and group of tokens."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import TRACED_GROUP

HEADS = Table(
    "heads",
    pa.schema(
        [
            field("layer", pa.int16(), "index", "whose attention: layer l reads the states l"),
            field("head", pa.int16(), "index", "within the layer"),
            TRACED_GROUP,
            field("num_samples", pa.int32(), "samples", "all"),
            field("num_holding", pa.int32(), "samples", "those that hold the group"),
            field(
                "mass", pa.float64(), "share", "of its attention from the prompt's last token; mean over all samples"
            ),
            field("mass_low", pa.float64(), "share", "lower end of its 95 % interval; null: one cluster", True),
            field("mass_high", pa.float64(), "share", "upper end of that interval", True),
            field(
                "delta",
                pa.float64(),
                "nats",
                "gold log-likelihood with the head's outputs, for the last token and the answer, replaced by their "
                "means over samples, less the clean one; the same in all rows of a head",
            ),
            field("delta_low", pa.float64(), "nats", "lower end of its 95 % interval; null: one cluster", True),
            field("delta_high", pa.float64(), "nats", "upper end of that interval", True),
            field("stopping_delta", pa.float64(), "nats", "the same of an end token after the gold answer"),
            field("others_min", pa.float64(), "nats", "lowest delta of the other heads of the layer; null: none", True),
            field("others_max", pa.float64(), "nats", "highest delta of the other heads of the layer", True),
            field(
                "label",
                pa.string(),
                "name",
                "the group with more than half of the head's mass over the samples that hold it, if delta is below "
                "-0.01, its interval below 0, and no other head of the layer loses as much; else empty",
            ),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
