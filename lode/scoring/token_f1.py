"""How many words a reply shares with an answer, for answers that are sentences.

Formula: F1 = 2 P R / (P + R), the largest over the answers: P the share of the reply's words that the answer has, R the
share of the answer's words that the reply has, each word as often as it occurs in both. Both in lower case, without
punctuation and a, an, the.

Range: [0, 1]; 1 where the words are the same, in whatever order.

Source: Rajpurkar et al. 2016 (SQuAD, arXiv 1606.05250, section 6.1).

What it does not tell: whether the reply is right. "there is no car" for "there is a car" has 0.86, and a right answer
in other words little. For LingoQA it stands in for Lingo-Judge, a further model that would have to be fetched and that
agrees with people far better (Marcu et al. 2024, arXiv 2312.14115, of scores by overlap); no score here says what that
model would. What follows a right answer lowers P, so a reply that does not stop loses.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True

ARTICLES = ("a", "an", "the")


def words(text: str) -> Counter[str]:
    """The words of a text in lower case, without punctuation and articles, and how often each occurs."""
    return Counter(word for word in re.sub(r"[^\w\s]", "", text.lower()).split() if word not in ARTICLES)


def shared(said: Counter[str], answer: Counter[str]) -> float:
    """F1 of two bags of words; 0 where either is empty."""
    both = (said & answer).total()
    return 2 * both / (said.total() + answer.total()) if both else 0.0


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply against the answer of its sample that it shares most with.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    found = [
        max((shared(words(reply), words(answer)) for answer in sample["answers"]), default=0.0)
        for reply, sample in zip(replies, samples, strict=True)
    ]
    return np.array(found, dtype=np.float64)
