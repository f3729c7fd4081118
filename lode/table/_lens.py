"""What the logit lens says of the tokens of a group in one sample."""

import pyarrow as pa

from lode.engine.fields import field
from lode.table._neuron_set import NEURON_SET
from lode.table._traced import SAMPLE, STATE, TRACED_GROUP, VARIANT

LENS_COLUMNS = (
    VARIANT,
    *NEURON_SET,
    *SAMPLE,
    TRACED_GROUP,
    STATE,
    field("num_tokens", pa.int32(), "tokens", "of the group in the sample that were looked at"),
    field("entropy", pa.float64(), "nats", "mean over these of that of the next token by the lens"),
    field("top1", pa.float64(), "probability", "mean of that of the likeliest token"),
    field("kl_final", pa.float64(), "nats", "mean of the divergence of this layer's distribution from the last one's"),
    field("gold_logp", pa.float64(), "nats", "log-likelihood of the whole gold answer; null but at `last`", True),
    field("gold_rank", pa.float64(), "rank", "the largest of those of its tokens; 1: each likeliest; likewise", True),
    field("object_rank", pa.float64(), "rank", "best of the words of the sample's objects, mean over tokens", True),
    field("other_rank", pa.float64(), "rank", "the same of words of objects of another sample", True),
)  # fmt: skip
