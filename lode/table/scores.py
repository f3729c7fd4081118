"""How well a model did on a benchmark with a set switched: a row a score and neuron set."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._benchmark import BENCHMARK
from lode.table._neuron_set import NEURON_SET
from lode.table._run import INTERVENTION, MODEL, SELECTION
from lode.table._switched import NUM_NEURONS

_OF_REPLIES = (
    ("begins_frac", "fraction", "replies that begin with an accepted answer"),
    ("runs_on_frac", "fraction", "replies that begin with an accepted answer, and do not stop there"),
    ("empty_frac", "fraction", "replies without any text"),
    ("truncated_frac", "fraction", "replies that hit the token limit"),
    ("parse_frac", "fraction", "replies that name one of the choices, or are not empty"),
    ("loop_frac", "fraction", "replies with words that come again and again"),
    ("num_reply_tokens", "tokens", "mean length of a reply"),
)
SCORES = Table(
    "scores",
    pa.schema(
        [
            *BENCHMARK,
            *NEURON_SET,
            NUM_NEURONS,
            field("num_samples", pa.int32(), "samples", "samples scored"),
            field("value", pa.float64(), "score, or nats", "mean over samples, in the unit of the row"),
            field("interval_low", pa.float64(), "score, or nats", "lower end of its 95 % interval by clusters"),
            field("interval_high", pa.float64(), "score, or nats", "upper end of that interval"),
            field("gold_log_likelihood", pa.float64(), "nats", "mean log-likelihood of the gold answer", True),
            field("end_log_likelihood", pa.float64(), "nats", "mean log-likelihood of an end token after it", True),
            *(
                field(name, pa.float64(), unit, f"{meaning}; null: no replies were written", nullable=True)
                for name, unit, meaning in _OF_REPLIES
            ),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION),
    path=("model", "selection", "intervention", "dataset"),
)
