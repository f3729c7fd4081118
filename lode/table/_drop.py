"""What switching a set costs on one benchmark, alone and beside its controls."""

import pyarrow as pa

from lode.engine.fields import field

DROP = (
    field("clean", pa.float64(), "score, or nats", "the unmodified model, in the unit of the row"),
    field("chance", pa.float64(), "score, or nats", "the best guess that does not look at the prompt"),
    field("measurable", pa.bool_(), "flag", "the interval of the unmodified model lies above chance"),
    field("value", pa.float64(), "score, or nats", "with the set switched"),
    field("drop", pa.float64(), "score, or nats", "clean - value: what switching the set costs"),
    field("interval_low", pa.float64(), "score, or nats", "lower end of the paired 95 % interval of the drop"),
    field("interval_high", pa.float64(), "score, or nats", "upper end of that interval"),
    field("share", pa.float64(), "share", "drop / (clean - chance); null where it is not measurable", True),
)
CONTROL_DROP_MAX = field("control_drop_max", pa.float64(), "score, or nats", "largest drop of a control")
P_VALUE = field("p_value", pa.float64(), "probability", "(1 + controls with at least this drop) / (1 + controls)")
