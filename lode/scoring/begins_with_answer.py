"""Whether the reply begins with an accepted answer, whatever follows it.

Formula: 1 if the reply begins with a non-blank answer, else 0: "cat" begins "cat", "Cat.", "cat dog dog" and "catsq",
not "a cat". Both are normalised as by `exact_match`: outer white space, capitals, NFC. Where the answer ends within a
word, the reply counts too: a model that does not stop goes on without a blank as well as with one ("tigertiger" for
the word "tiger"), and nothing in the text tells that from another word.

Range: 0 or 1; never below `exact_match`. The difference is the share of replies that are right and do not stop there.

Source: exact match as in SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250), blind to what a lost end token appends.

What it does not tell: whether the model stops (`stopping`), or meant the answer: "red or blue" begins with "red",
"category" with "cat" and "12" with "1"; an answer of one short word is begun by chance more often than a long one.
"The cat" is wrong where "cat" is accepted. `exact_match` and `content` stand beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._diagnostics import begins

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
