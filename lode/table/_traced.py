"""Whose tokens a row of a trace is about: how the samples were shown, which sample, which group."""

import pyarrow as pa

from lode.engine.fields import field

VARIANT = field(
    "variant",
    pa.string(),
    "name",
    "how the samples were shown: `clean`, as they are; media `blank` (black), `noise`, `shuffled` (patches), "
    "`silence`, `reversed`; or `permuted_weights`",
)
SAMPLE = (
    field("sample_id", pa.string(), "id", "as in the dataset"),
    field("cluster_id", pa.string(), "id", "as in the dataset"),
)
TRACED_GROUP = field("group", pa.string(), "name", "part of the grouping, or `last`: the last token of the prompt")
STATE = field("layer", pa.int16(), "index", "states: 0 is the input of the first layer, l what layer l - 1 gives")
