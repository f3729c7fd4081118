"""Which controls a set is ranked among."""

import pyarrow as pa

from lode.engine.fields import field

CONTROLS = (
    field("control_kind", pa.string(), "name", "the controls it is ranked among; empty: there are none"),
    field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
)
