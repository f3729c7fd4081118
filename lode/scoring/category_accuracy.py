"""Whether the reply names the right class: by its letter, or by its name alone.

Formula: 1 if the reply begins with the letter of the right choice ("B", "(b)", "B) ..."), or begins with no letter of a
choice and names the right one and no other; else 0. What stands before the last "answer:" does not count. A reply that
does neither is invalid and wrong.

Range: 0 or 1; guessing among k classes gives 1 / k, and always saying the commonest class more.

Source: ErrorRadar, its CATE task (Yan et al. 2024, arXiv 2410.04509). How it extracts classes is not public: the rule
is ours.

What it does not tell: of which class a model knows anything. One that always says the commonest class scores its share;
recall, precision and F1 of each class, and how evenly classes are named, stand in the table `classes`. A letter that
prose follows without a mark ("A student ...") is none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._choices import hits, letter_or_name

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True


def said(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> list[int]:
    """The place of the choice that each reply names; -1 where it names none, or several."""
    return [letter_or_name(reply, sample["choices"]) for reply, sample in zip(replies, samples, strict=True)]


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it names the right choice, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `choices` and `answer_index` are read.
    """
    return hits(said(replies, samples), samples)
