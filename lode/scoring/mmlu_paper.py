"""The paper's score for multiple choice: does the reply begin with the letter of the right option?

Formula: 1 if the first character of the reply is the gold letter (A for option 0, B for 1, ...), else 0. Upper case
only, and nothing is stripped.

Range: 0 or 1; guessing among k options gives 1 / k.

Source: MINER (arXiv 2410.04819), its evaluation of MMLU (Hendrycks et al. 2020, arXiv 2009.03300).

What it does not tell, defects kept on purpose: "Because of the war" counts as option B and "(B)", " B" or "The answer
is B" as wrong, so it measures the format of a reply as much as what the model knows; a set that breaks the format drops
to 0, below guessing. The log-likelihood of the options would tell the two apart. A sample without a right option
(`answer_index` -1) cannot be answered and scores 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = False


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where its first character is the letter of the right option, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answer_index` is read.
    """
    right = [
        sample["answer_index"] >= 0 and reply[:1] == chr(ord("A") + sample["answer_index"])
        for reply, sample in zip(replies, samples, strict=True)
    ]
    return np.array(right, dtype=np.float64)
