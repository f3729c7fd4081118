"""The paper's score for questions about images and videos: is an accepted answer anywhere in the reply?

Formula: 1 if any non-blank answer, lower-cased, is a substring of the lower-cased reply, else 0.

Range: 0 or 1; the mean is the share of replies that hold an answer.

Source: MINER (arXiv 2410.04819), its evaluation of TextVQA and MSVD-QA.

What it does not tell, a defect kept on purpose: substrings know no words. "man" is in "woman", "1" is in "2013", "no"
is in "I do not know"; a reply that lists every guess is right; one answer of ten is enough, however rare. Long replies
therefore score higher by chance, so a neuron set that makes the model ramble can look harmless. Read it beside
`exact_match`. One departure: a blank answer would be in every reply, and is skipped.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = False


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it contains an answer of its sample, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    found = [
        any(answer.strip() and answer.lower() in reply.lower() for answer in sample["answers"])
        for reply, sample in zip(replies, samples, strict=True)
    ]
    return np.array(found, dtype=np.float64)
