"""Whether the model holds the right answer: its log-probability, word for word, after the prompt.

Formula: log p(gold answer | prompt) = the sum over the answer's tokens of the log-probability of each, given those
before it. Teacher-forced: one forward pass, nothing is decoded, and no end token is counted.

Range: (-inf, 0] nats; a drop of 0.69 halves the probability of the answer. A guess that knows how often each answer
occurs, and not the prompt, has the mean of log(relative frequency of the sample's answer).

Source: the field's usual measure of knowledge without a format (lm-evaluation-harness: `loglikelihood`).

What it does not tell: what the model would say. Only the first answer counts, so a model that prefers another right
wording ("a cat" for "cat") scores low, and long answers score lower than short ones. Whether the model stops after the
answer is `stopping`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

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


def chance(samples: Sequence[Mapping[str, Any]]) -> float:
    """The mean log-likelihood of a guess that says each answer as often as it is the first of a sample [nats].

    Args:
        samples: rows of the dataset table; `answers` is read.
    """
    counts = Counter(sample["answers"][0] for sample in samples)
    return sum(count * math.log(count / len(samples)) for count in counts.values()) / len(samples)
