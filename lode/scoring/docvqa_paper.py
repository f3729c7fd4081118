"""MMNeuron's score for documents: ANLS without its threshold.

Formula: the largest over the answers of 1 - d / n: d the Levenshtein distance of reply and answer, n the characters of
the longer. Both in lower case, white space as one blank.

Range: [0, 1]; a wrong answer has the share of the characters that happen to be right.

Source: MMNeuron (arXiv 2406.11193), the DocVQA part of its `evaluate.py`, which calls the package `anls` with
`threshold=1.0`. There a reply counts where its distance is *below* the threshold, so 1 switches the threshold off.

What it does not tell, a defect kept on purpose: whether the answer is right. Any reply of like length and letters has
part of the score ("no" for "on" 0, "15" for "16" 0.5, "Mr. Smith" for "Mr. Jones" 0.44), so the score of a model that
reads nothing is above 0, and accuracies with and without neurons are closer together than those of `anls`. A right
answer in a sentence loses, and one that does not stop goes to 0. One departure: a blank answer is none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._similarity import likeness

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply by its likeness to the answer that it is most like.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    pairs = zip(replies, samples, strict=True)
    return np.array([likeness(reply, sample["answers"]) for reply, sample in pairs], dtype=np.float64)
