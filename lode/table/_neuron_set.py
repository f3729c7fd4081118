"""Which neuron set a row is about: one of a selection, a control of it, or none."""

import pyarrow as pa

from lode.engine.fields import field

NEURON_SET = (
    field("set_name", pa.string(), "name", "the neuron set, or `none`, `blank`, `constant` for what `kind` says"),
    field(
        "kind",
        pa.string(),
        "name",
        "`method`, `control`, `clean` (no intervention), `blanked` (nor any medium), or `constant` (chance level)",
    ),
    field("control_of", pa.string(), "name", "the method set that this control is matched to, else empty"),
    field("control_kind", pa.string(), "name", "how the control is drawn (`lode/control/`), else empty"),
    field("control_draw", pa.int32(), "index", "which draw of the control, -1 for a method set"),
)
