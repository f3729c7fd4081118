"""Which edges of attention are cut."""

import pyarrow as pa

from lode.engine.fields import field

CUT_EDGES = (
    field("source", pa.string(), "name", "whose keys are hidden: a group of the grouping, `media`, or `before` (all)"),
    field("target", pa.string(), "name", "from whose queries; `last`: the prompt's last token and all of the answer"),
    field("window", pa.int16(), "layers", "in how many neighbouring layers"),
    field("layer", pa.int16(), "index", "the first of them, counted from 0"),
)
