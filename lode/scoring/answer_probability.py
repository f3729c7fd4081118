"""How probable the model finds the right answer, per token: for captions and speech, which no reply repeats exactly.

Formula: exp(log p(gold answer | prompt) / its number of tokens), the geometric mean probability of its tokens, each
given those before it. Teacher-forced; no end token is counted.

Range: [0, 1]. It is 1 / perplexity of the gold answer. Chance is a guess that knows the other samples' answers, and not
the prompt (`chance`).

Source: perplexity (Jelinek et al. 1977); the content of `content`, comparable between answers of unequal length.

What it does not tell: what the model would say. The first tokens of an answer are hard and the rest often follows from
them, so a long answer scores high as soon as the language model is good; a loss of hearing or sight shows less than in
`content`. Only the first answer counts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring import guesses

COLUMN = "gold_token_log_likelihood"
UNIT = "score in [0, 1]"
SEES_STOPPING = False


def score(replies: Sequence[float], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each sample: the geometric mean probability of the gold answer's tokens.

    Args:
        replies: log-probability of the gold answer per token, one per sample [nats].
        samples: rows of the dataset table; none of their columns is read.
    """
    return np.exp(np.array([value for value, _ in zip(replies, samples, strict=True)], dtype=np.float64))


def chance(samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """The score, on each sample, of a guess that knows the others' answers, not the prompt (`lode.scoring.guesses`).

    Args:
        samples: rows of the dataset table with the column `num_gold_tokens`; `answers` is read too.
    """
    lengths = np.array([sample["num_gold_tokens"] for sample in samples])
    return np.asarray(np.exp(guesses([sample["answers"][0] for sample in samples]) / lengths))
