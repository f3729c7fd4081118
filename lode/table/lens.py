"""The logit lens, mean over samples: a row a variant, group of tokens and layer."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._paired import INTERVAL, VARIANT_DIFFERENCE
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import STATE, TRACED_GROUP, VARIANT

LENS = Table(
    "lens",
    pa.schema(
        [
            VARIANT,
            TRACED_GROUP,
            STATE,
            field("num_samples", pa.int32(), "samples", "that hold the group"),
            field("num_tokens", pa.int64(), "tokens", "of the group in these that were looked at"),
            field("entropy", pa.float64(), "nats", "of the next token by the lens, mean over samples"),
            field("entropy_sd", pa.float64(), "nats", "standard deviation over samples"),
            *INTERVAL,
            *VARIANT_DIFFERENCE,
            field("top1", pa.float64(), "probability", "of the likeliest token"),
            field("kl_final", pa.float64(), "nats", "divergence from the last layer's distribution"),
            field("gold_logp", pa.float64(), "nats", "log-likelihood of the gold answer by the lens", True),
            field("gold_low", pa.float64(), "nats", "lower end of its 95 % interval", True),
            field("gold_high", pa.float64(), "nats", "upper end of that interval", True),
            field("gold_rank", pa.float64(), "rank", "median over samples of the largest rank of its tokens", True),
            field("object_rank", pa.float64(), "rank", "of the nearest word of a sample's objects", True),
            field("other_rank", pa.float64(), "rank", "the same of words of another sample's objects", True),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
