"""What a model said and how likely the gold answer was: a row a sample and neuron set."""

import pyarrow as pa

from lode.engine.fields import field
from lode.engine.tables import Table
from lode.table._neuron_set import NEURON_SET
from lode.table._run import DATASET_NAME, INTERVENTION, MODEL, SELECTION
from lode.table._switched import NUM_NEURONS

PREDICTIONS = Table(
    "predictions",
    pa.schema(
        [
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("cluster_id", pa.string(), "id", "as in the dataset"),
            *NEURON_SET,
            NUM_NEURONS,
            field("reply", pa.string(), "text", "greedy reply, special tokens removed; null: none was written", True),
            field("begins_with_answer", pa.bool_(), "flag", "the reply begins with an accepted answer", True),
            field("gold", pa.string(), "text", "the answer whose log-likelihood was taken"),
            field("num_gold_tokens", pa.int32(), "tokens", "length of the gold answer, its end token aside"),
            field(
                "gold_log_likelihood",
                pa.float64(),
                "nats",
                "content: log-probability of the gold answer, over its tokens",
            ),
            field("gold_token_log_likelihood", pa.float64(), "nats", "the same for one token, their mean"),
            field(
                "end_log_likelihood",
                pa.float64(),
                "nats",
                "stopping: log-probability of an end token after the gold answer",
            ),
            field(
                "choice_log_likelihoods",
                pa.list_(pa.float64()),
                "nats",
                "log-probability of each option; null: no options, or of several tokens and not chosen by text",
                nullable=True,
            ),
            field("num_prompt_tokens", pa.int32(), "tokens", "length of the prompt with media"),
            field("num_reply_tokens", pa.int32(), "tokens", "generated tokens before the end token", True),
            field("truncated", pa.bool_(), "flag", "the reply hit the token limit", True),
        ]
    ),
    keys=(MODEL, SELECTION, INTERVENTION, DATASET_NAME),
    path=("model", "selection", "intervention", "dataset", "shard"),
)
