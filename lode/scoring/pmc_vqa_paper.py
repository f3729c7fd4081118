"""MMNeuron's score for medical figures: is the letter of the right option anywhere in the reply?

Formula: 1 if the gold letter (A for option 0, B for 1, ...), upper case, is a character of the reply, else 0.

Range: 0 or 1; "A, B, C or D" is always right.

Source: MMNeuron (arXiv 2406.11193), `eval_med` of its `evaluate.py`, by reading. As published it cannot run: it goes
through the dataset's generator in place of the replies, and asks a generator for its length. What it says of a reply
is kept.

What it does not tell, defects kept on purpose: the letter need not be an answer. "A" is in "Answer: B" and "As seen in
the CT", "C" is in "CT", "D" in "Doppler", so sentences score above what they know, most where A or C is right, and a
set that makes the model ramble can look harmless. Read it beside `choice_likelihood` and `exact_match`. Theirs adds one
for *every* such character, so that a reply may count twice and an accuracy exceed 1; here a reply is right once. A
sample without a right option cannot be answered and scores 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = False


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it holds the letter of the right option, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answer_index` is read.
    """
    right = [
        sample["answer_index"] >= 0 and chr(ord("A") + sample["answer_index"]) in reply
        for reply, sample in zip(replies, samples, strict=True)
    ]
    return np.array(right, dtype=np.float64)
