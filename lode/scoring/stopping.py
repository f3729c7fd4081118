"""Whether the model ends after the right answer: the log-probability of an end token there.

Formula: log of the summed probability of the end tokens, given the prompt and the whole gold answer. Teacher-forced.

Range: (-inf, 0] nats. A guess that ends after any token with one and the same probability has, at best, 1 / (1 + mean
number of tokens of an answer) for it.

Source: our own. Switching a set of neurons off may cost the end token alone, and whole-reply scores fall as if the
answer were lost.

What it does not tell: anything about the answer. A model that knows nothing and says nothing stops well. It looks at
one place only, after the gold answer; a model that rambles after another wording is not seen.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "end_log_likelihood"
UNIT = "nats"
SEES_STOPPING = True


def score(replies: Sequence[float], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each sample: the log-likelihood as it is.

    Args:
        replies: log-probability of an end token after the gold answer, one per sample [nats].
        samples: rows of the dataset table; none of their columns is read.
    """
    return np.array([value for value, _ in zip(replies, samples, strict=True)], dtype=np.float64)


def chance(samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """The log-likelihood of the best guess that ends after any token with the same probability [nats].

    Of n answers with T tokens together, n of n + T places are an end.

    Args:
        samples: rows with the column `num_gold_tokens`.
    """
    log_likelihood = -math.log1p(sum(sample["num_gold_tokens"] for sample in samples) / len(samples))
    return np.full(len(samples), log_likelihood)
