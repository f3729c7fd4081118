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
    """The mean log-likelihood of a guess that knows the other samples' answers, and not the prompt [nats].

    Half of the time it says the answer of another sample, each as probable as the next; half of the time it puts
    together words, each as frequent as among the other answers (plus one: it knows all words). So a guess of a class
    has about the log of its frequency, and one of a sentence that no other sample has, that of its words.

    Args:
        samples: rows of the dataset table; `answers` is read.
    """
    said = [sample["answers"][0] for sample in samples]
    counts, words = Counter(said), Counter(word for answer in said for word in answer.split())
    others = max(len(said) - 1, 1)
    guessed = [
        math.log((counts[answer] - 1) / others / 2 + _put_together(answer.split(), words) / 2) for answer in said
    ]
    return sum(guessed) / len(said)


def _put_together(answer: Sequence[str], words: Counter[str]) -> float:
    """The probability of an answer, word by word, given the words of the other answers."""
    own = Counter(answer)
    places = words.total() - len(answer) + len(words)
    return math.prod((words[word] - own[word] + 1) / places for word in answer)
