"""Do sets of two models that hold the same language model share neurons? A row a pair of models and of their sets."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._run import SELECTION

OVERLAPS = Table(
    "overlaps",
    pa.schema(
        [
            field("model_a", pa.string(), "name", "one model"),
            field("model_b", pa.string(), "name", "another, with the same weights of the language model"),
            field("set_a", pa.string(), "name", "a set of the one"),
            field("set_b", pa.string(), "name", "a set of the other"),
            field("num_a", pa.int32(), "neurons", "of the one, in the gates of the language model"),
            field("num_b", pa.int32(), "neurons", "of the other"),
            field("num_shared", pa.int32(), "neurons", "of both"),
            field("jaccard", pa.float64(), "Jaccard index", "shared neurons over all of both; NaN: both are empty"),
            field("expected", pa.float64(), "neurons", "shared by random sets with as many neurons in every layer"),
            field("chance_p", pa.float64(), "p", "that such sets share at least as many"),
            field("control_kind", pa.string(), "name", "the controls that stand in for a set; empty: there are none"),
            field("shared_by_controls_a", pa.list_(pa.int32()), "neurons", "of each control of the one, with `set_b`"),
            field(
                "shared_by_controls_b", pa.list_(pa.int32()), "neurons", "of each control of the other, with `set_a`"
            ),
            field("p_value", pa.float64(), "p", "rank among the controls, the larger of the two; 1 without controls"),
            field("unmatched", pa.string(), "text", "why controls of the one or the other are none; empty: they are"),
        ]
    ),
    keys=(SELECTION,),
    path=("selection",),
)
