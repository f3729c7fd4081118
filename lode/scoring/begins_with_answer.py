"""Whether the reply begins with an accepted answer, whatever follows it.

Formula: 1 if the reply begins with a non-blank answer that ends at a word boundary, else 0: "cat" begins "cat", "Cat."
and "cat dog dog", not "cats" nor "a cat". Both are normalised as by `exact_match`: outer white space, capitals, NFC.
Words are those of Unicode (UAX 29): "3" does not begin "3.5", nor "12" "12,000", nor "cat" "cat's".

Range: 0 or 1; never below `exact_match`. The difference is the share of replies that are right and do not stop there.

Source: exact match as in SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250), blind to what a lost end token appends.

What it does not tell: whether the model stops (`stopping`), or meant the answer: "red or blue" begins with "red", and
an answer of one short word is begun by chance more often than a long one. "The cat" is wrong where "cat" is accepted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.diagnostics import begins

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = False


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it begins with an answer of its sample, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    pairs = zip(replies, samples, strict=True)
    return np.array([begins(reply, sample["answers"]) for reply, sample in pairs], dtype=np.float64)
