"""ANLS, the score of questions about documents: how many characters of the answer are right, if most are.

Formula: s if s > 1/2, else 0, where s = 1 - d / n is the largest over the answers: d the Levenshtein distance of reply
and answer, n the characters of the longer. Both in lower case, white space as one blank.

Range: [0, 1]; the mean over questions is the ANLS of a dataset.

Source: Biten et al. 2019 (arXiv 1905.13648), for DocVQA Mathew et al. 2021 (arXiv 2007.00398); the distance by
`rapidfuzz`.

What it does not tell: a slip of the eye from another answer of the same form. "1989" for "1998" has 0.5, and so 0;
"$12,500" for "$12,600" has 0.86. A right answer in a sentence has as little as a wrong one, so a set that makes a model
talkative looks as if it had made it blind: read it beside `begins_with_answer`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._similarity import likeness

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True

#: A reply that is no more like the answer than this is taken for another answer, not for a misread one.
THRESHOLD = 0.5


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply against the answer of its sample that it is most like.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    found = [likeness(reply, sample["answers"]) for reply, sample in zip(replies, samples, strict=True)]
    return np.array([value if value > THRESHOLD else 0.0 for value in found], dtype=np.float64)
