"""What cutting attention between two groups of tokens costs: a row a pair, window, outcome and choice of samples."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._cut import CUT_EDGES
from lode.table._paired import INTERVAL
from lode.table._run import DATASET_NAME, MODEL

CUTS = Table(
    "cuts",
    pa.schema(
        [
            *CUT_EDGES,
            field("items", pa.string(), "name", "`right`: samples whose greedy reply is the gold answer; `all`"),
            field("outcome", pa.string(), "name", "`content`: the gold answer; `stopping`: an end token after it"),
            field("num_samples", pa.int32(), "samples", "that hold such edges"),
            field("num_edges", pa.float64(), "edges", "cut in each layer of the window, mean over samples"),
            field("clean", pa.float64(), "nats", "log-probability with nothing cut"),
            field("delta", pa.float64(), "nats", "cut less clean: below 0, something is lost"),
            *INTERVAL,
            field("relative_percent", pa.float64(), "percent", "mean of what its probability changes by: p'/p - 1"),
            field(
                "num_controls",
                pa.int32(),
                "draws",
                "of as many edges into the same queries, by one random rule for all samples",
            ),
            field("control_mean", pa.float64(), "nats", "of their deltas; null: there are none", True),
            field("control_min", pa.float64(), "nats", "delta of the draw that loses most", True),
            field("control_max", pa.float64(), "nats", "and of the one that loses least", True),
            field("shared_frac", pa.float64(), "share", "of the edges of controls, that the pair itself has", True),
            field("most_shared_frac", pa.float64(), "share", "the same of the draw that has most of it", True),
            field("p_value", pa.float64(), "p", "rank of what is lost among the controls: (1 + #(>=)) / (1 + R)"),
            field(
                "p_corrected",
                pa.float64(),
                "p",
                "the same for the best of all pairs that can be told; null: another pair, or not cut in all layers",
                True,
            ),
            field(
                "verdict",
                pa.string(),
                "name",
                "of this row alone: `beyond_controls` (more is lost than under every one), `below_controls` (less), "
                "`within_controls`, `overlapping_controls` (only draws that are more than half the pair itself lose as "
                "much), `nothing_lost` (under none 0.01 nats), `too_few_controls`, `no_controls`, "
                "`unmatchable` (they are more than half the pair itself), `too_few_clusters` (below 5)",
            ),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
