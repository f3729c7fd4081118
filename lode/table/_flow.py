"""What the last token of a prompt takes from the tokens of a group in one sample."""

import pyarrow as pa

from lode.engine.fields import field
from lode.table._neuron_set import NEURON_SET
from lode.table._traced import SAMPLE, VARIANT

FLOW_GROUP = field(
    "group",
    pa.string(),
    "name",
    "part of the grouping without what follows; `last`: the token itself; `sink`: tokens of large states",
)
ATTENTION_LAYER = field("layer", pa.int16(), "index", "whose attention: layer l reads the states l")
FLOW_COLUMNS = (
    VARIANT,
    *NEURON_SET,
    *SAMPLE,
    FLOW_GROUP,
    ATTENTION_LAYER,
    field("num_tokens", pa.int32(), "tokens", "of the group in the sample, at this layer"),
    field("mass", pa.float64(), "share", "of the attention of the last token, mean over heads"),
    field("contribution_norm", pa.float64(), "length", "of what these tokens add to the output of its attention"),
    field("share", pa.float64(), "share", "of that output, along itself: all groups sum to 1; may be below 0"),
)  # fmt: skip
