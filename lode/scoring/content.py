"""Whether the model holds the right answer: its log-probability, word for word, after the prompt.

Formula: log p(gold answer | prompt) = the sum over the answer's tokens of the log-probability of each, given those
before it. Teacher-forced: one forward pass, nothing is decoded, and no end token is counted.

Range: (-inf, 0] nats; a drop of 0.69 halves the probability of the answer. Chance is a guess that knows the other
samples' answers, and not the prompt (`chance`).

Source: the field's usual measure of knowledge without a format (lm-evaluation-harness: `loglikelihood`).

What it does not tell: what the model would say. Only the first answer counts, so a model that prefers another right
wording ("a cat" for "cat") scores low, and long answers score lower than short ones. Whether the model stops after the
answer is `stopping`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring import guesses

COLUMN = "gold_log_likelihood"
UNIT = "nats"
SEES_STOPPING = False


def score(replies: Sequence[float], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each sample: the log-likelihood as it is.

    Args:
        replies: log-probability of the gold answer, one per sample [nats].
        samples: rows of the dataset table; none of their columns is read.
    """
    return np.array([value for value, _ in zip(replies, samples, strict=True)], dtype=np.float64)


def chance(samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """The log-likelihood of each answer to a guess that knows the other samples' answers, and not the prompt [nats].

    Args:
        samples: rows of the dataset table; `answers` is read.
    """
    return guesses([sample["answers"][0] for sample in samples])
