"""Whether the reply is one of the references, word for word.

Formula: 1 if the reply equals any non-blank reference, else 0. Both are stripped of outer white space,
case-folded (capitals are a matter of style in an answer) and brought to Unicode NFC, so that a composed and a
decomposed accent agree.

Range: 0 or 1; the mean is the share of replies that are right.

Source: exact match as in SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1), without its removal of articles
and punctuation, which is for English only.

What it does not tell: "Cat." and "a cat" are wrong where the reference is "cat", so a change of style reads as a loss
of knowledge; look at the replies and at the gold log-likelihood before concluding.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._diagnostics import is_answer

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it equals a reference of its sample, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    pairs = zip(replies, samples, strict=True)
    return np.array([is_answer(reply, sample["answers"]) for reply, sample in pairs], dtype=np.float64)
