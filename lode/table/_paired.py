"""How a number of the clean samples differs from that of the same samples under a variant."""

import pyarrow as pa

from lode.engine.fields import field

VARIANT_DIFFERENCE = (
    field("difference", pa.float64(), "as the value", "clean less variant, on the same samples; null: clean", True),
    field("difference_low", pa.float64(), "as the value", "lower end of its 95 % interval; null: one cluster", True),
    field("difference_high", pa.float64(), "as the value", "upper end of that interval", True),
)
INTERVAL = (
    field("interval_low", pa.float64(), "as the value", "lower end of its 95 % interval; null: one cluster", True),
    field("interval_high", pa.float64(), "as the value", "upper end of that interval", True),
)
