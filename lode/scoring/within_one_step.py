"""Whether the reply names the first wrong step, or one beside it.

Formula: 1 if the last whole number from 1 to n in the reply, n steps, is at most 1 from the gold step, else 0. Where
"0" is a choice ("no step is wrong") it has no neighbours. In general: the choice that the reply names last is the right
one, or next to it in the list.

Range: 0 or 1, never below `step_accuracy`; guessing among n steps gives 3 / n, at an end 2 / n.

Source: our own, beside the STEP task of ErrorRadar (Yan et al. 2024, arXiv 2410.04509), where annotators may differ by
a step on where an error begins.

What it does not tell: whether the neighbour is defensible. In short solutions it is easy: always
saying 2 of 3 scores 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._choices import NO_CHOICE, last_named

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True
#: The choice that says that no step is wrong.
NO_STEP = "0"


def is_near(place: int, gold: int, choices: Sequence[str]) -> bool:
    """Whether a choice is the right one or beside it; `NO_STEP` is beside none."""
    if NO_CHOICE in (place, gold) or place == gold:
        return place == gold != NO_CHOICE
    return abs(place - gold) == 1 and NO_STEP not in (choices[place], choices[gold])


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it names the right choice, or one beside it, last.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `choices` and `answer_index` are read.
    """
    near = [
        is_near(last_named(reply, sample["choices"]), sample["answer_index"], sample["choices"])
        for reply, sample in zip(replies, samples, strict=True)
    ]
    return np.array(near, dtype=np.float64)
