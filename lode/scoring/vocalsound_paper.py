"""The paper's score for vocal sounds: is the label in the reply, letter for letter?

Formula: 1 if any non-blank answer is a substring of the reply, capitals included, else 0.

Range: 0 or 1; the mean is the share of replies that name the label.

Source: MINER (arXiv 2410.04819), its evaluation of VocalSound (Gong et al. 2022, arXiv 2205.03433).

What it does not tell, defects kept on purpose: "laughter" is wrong where the label is "Laughter", so a change of style
reads as a loss; a reply that repeats the list of labels is right. Read it beside `exact_match`. One departure: a
blank answer would be in every reply, and is skipped.
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
        any(answer.strip() and answer in reply for answer in sample["answers"])
        for reply, sample in zip(replies, samples, strict=True)
    ]
    return np.array(found, dtype=np.float64)
