"""MMNeuron's score for everyday scenes and aerial photographs: does the reply equal an answer, character by character?

Formula: 1 if the reply in lower case is an answer in lower case, else 0. Nothing else is taken off or away. Where the
dataset says which people were sure of their answers (`meta.sure`), theirs alone count.

Range: 0 or 1; the mean is the share of replies that are an answer.

Source: MMNeuron (arXiv 2406.11193), `eval_open_ended` (VQAv2) and `eval_rs` (RS-VQA) of its `evaluate.py`.

What it does not tell, defects kept on purpose: "Yes.", " yes" and "a cat" are wrong where "yes" and "cat" are accepted,
so it measures form as much as sight. Of VQAv2, one person of ten who was sure is enough, and agreement does not count:
`vqa_accuracy` is the field's. Of RS-VQA, a count must be exact and an area right to the square metre ("38m2"), which no
one can see: those questions are lost whatever the model knows; `rsvqa_accuracy` has the classes of its authors. One
departure: a blank answer is none.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True


def counted(sample: Mapping[str, Any]) -> set[str]:
    """The answers that count, in lower case: those that someone was sure of, where the dataset says so."""
    sure = json.loads(sample["meta"] or "{}").get("sure", sample["answers"])
    return {answer.lower() for answer in sure if answer.strip()}


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it equals an answer of its sample that counts, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` and `meta` are read.
    """
    pairs = zip(replies, samples, strict=True)
    return np.array([reply.lower() in counted(sample) for reply, sample in pairs], dtype=np.float64)
