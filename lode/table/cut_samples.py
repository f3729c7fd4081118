"""What a sample's gold answer is worth with attention cut: a row a pair of groups, window, draw and sample."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._cut import CUT_EDGES
from lode.table._run import DATASET_NAME, MODEL

CUT_SAMPLES = Table(
    "cut_samples",
    pa.schema(
        [
            *CUT_EDGES,
            field(
                "kind",
                pa.string(),
                "name",
                "`cut`: the pair's edges; `control`: as many by a random rule for all samples",
            ),
            field("control_draw", pa.int32(), "index", "which draw of the control, -1 for the pair itself"),
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("cluster_id", pa.string(), "id", "as in the dataset"),
            field("num_edges", pa.int32(), "edges", "cut in each layer of the window"),
            field("num_shared", pa.int32(), "edges", "of these, that the pair itself has"),
            field("content", pa.float64(), "nats", "log-probability of the gold answer, over its tokens"),
            field("clean_content", pa.float64(), "nats", "the same with nothing cut"),
            field("stopping", pa.float64(), "nats", "log-probability of an end token after the gold answer"),
            field("clean_stopping", pa.float64(), "nats", "the same with nothing cut"),
            field("right", pa.bool_(), "flag", "with nothing cut the greedy reply is the gold answer, and ends"),
        ]
    ),
    keys=(MODEL, DATASET_NAME),
    path=("model", "dataset"),
)
