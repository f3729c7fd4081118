"""Whether the reply names the first wrong step: the last number of a step in it is the right one.

Formula: 1 if the last whole number from 1 to n in the reply, n steps, is the gold step, else 0; a reply without one is
invalid and wrong. In general: the choice that the reply names last, as a word of its own, is the right one. So "0"
counts where it is a choice ("no step is wrong"), and no other number does.

Range: 0 or 1; guessing among n steps gives 1 / n, and always saying the commonest step more.

Source: ErrorRadar, its STEP task (Yan et al. 2024, arXiv 2410.04509). How it extracts numbers is not public: the rule
is ours.

What it does not tell: why a step was named. "Step 3, as 4 + 4 = 9" says 9 of nine steps, so a model that goes on after
its answer loses points. `within_one_step` forgives a neighbour; `choice_likelihood` reads no reply.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._choices import hits, last_named

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True


def said(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> list[int]:
    """The place of the choice that each reply names last; -1 where it names none."""
    return [last_named(reply, sample["choices"]) for reply, sample in zip(replies, samples, strict=True)]


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it names the right choice last, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `choices` and `answer_index` are read.
    """
    return hits(said(replies, samples), samples)
