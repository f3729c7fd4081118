"""Do two groups of tokens come nearer to each other over layers? A row a pair, space, layer and measure."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._paired import INTERVAL
from lode.table._run import DATASET_NAME, MODEL
from lode.table._traced import STATE, VARIANT

CONVERGENCE = Table(
    "convergence",
    pa.schema(
        [
            VARIANT,
            field("space", pa.string(), "name", "`raw`: states as they are; `unit`: each of length 1"),
            field("group_a", pa.string(), "name", "part of the grouping"),
            field("group_b", pa.string(), "name", "another; the same one: two halves of it, by clusters, as a null"),
            STATE,
            field("measure", pa.string(), "name", "`cosine`, `energy`, `probe` or `neighbours`: docs/methods.md 7.11"),
            field("can_move", pa.bool_(), "yes or no", "whether it takes part in the verdict: not within 0.01 of its "
                  "furthest value at every state, clean and under every variant"),
            field("value", pa.float64(), "as the measure", "its value; null: not defined", True),
            *INTERVAL,
            field("null_low", pa.float64(), "as the value", "2.5 % point under labels permuted within clusters; null: "
                  "not clean, halves, or no cluster holds both groups", True),
            field("null_high", pa.float64(), "as the value", "97.5 % point of the same", True),
            field("position_probe", pa.float64(), "area", "of a probe by positions alone; null: another measure", True),
            field("num_tokens", pa.int32(), "tokens", "of each of the two groups"),
            field("num_clusters", pa.int32(), "clusters", "that hold them"),
            field("num_shared", pa.int32(), "clusters", "that hold both groups"),
            field("verdict", pa.string(), "name", "of all layers and measures of the space: `converge`, `diverge`, "
                  "`disagree`, `unchanged`; `cannot_be_told`: fewer than three can move"),
            field("num_measures", pa.int16(), "measures", "that can move"),
            field("verdict_layer", pa.int16(), "index", "from which state on; null: of no other verdict", True),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)  # fmt: skip
