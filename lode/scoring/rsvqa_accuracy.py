"""RS-VQA by its authors' classes: areas in five ranges, counts rounded to whole numbers, words as they are.

Formula: 1 if reply and answer are of one class, else 0. An answer that is a number with "m2" is an area, of the class
0, above 0 to 10, to 100, to 1,000, or above 1,000 square metres; one that is a number, a count; any other, a word. Of a
reply to an area or a count, the first number is taken, in digits or as a word up to ten, a comma between thousands left
out; of a count it is rounded to the next whole one, a half upwards. A word is right where the reply is it, but for
outer white space, capitals, and a full stop at the end.

Range: 0 or 1; the mean is the overall accuracy of the dataset.

Source: Lobry et al. 2020 (doi 10.1109/TGRS.2020.2988782), the classes of the code of its authors (`syvlo/RSVQA`,
`VocabEncoder.py`), whose own model chooses among classes and writes no reply; how a reply is read is ours.

What it does not tell: a count that is off by one is as wrong as one off by fifty, and the authors' model, which knows
the classes, is not asked what others are. A reply that names a range ("between 10 and 100") counts by its first
number. "Yes, there is" is wrong where "yes" is right: read it beside `begins_with_answer`, and by `meta.question_type`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._diagnostics import canonical

COLUMN = "reply"
UNIT = "score in [0, 1]"
SEES_STOPPING = True

#: The largest area of each class but the last [m2].
LARGEST = (0, 10, 100, 1000)
NUMBERS = {word: value for value, word in enumerate("zero one two three four five six seven eight nine ten".split())}
_ANSWER = re.compile(r"\d+(\.\d+)?(m2)?")
_NUMBER = re.compile(rf"\d+(?:\.\d+)?|\b(?:{'|'.join(NUMBERS)})\b")


def first_number(text: str) -> float | None:
    """The first number of a text, in digits or as a word up to ten; None where there is none."""
    found = _NUMBER.search(re.sub(r"(?<=\d),(?=\d{3})", "", text.lower()))
    if found is None:
        return None
    return float(NUMBERS.get(found[0], found[0]))


def class_of(area: float) -> int:
    """The class of an area: how many of `LARGEST` are smaller."""
    return sum(area > largest for largest in LARGEST)


def is_right(reply: str, answer: str) -> bool:
    """Whether a reply is of the class of an answer."""
    expected = canonical(answer)
    if not _ANSWER.fullmatch(expected):
        return bool(expected) and canonical(canonical(reply).removesuffix(".")) == expected
    said, is_area = first_number(reply), expected.endswith("m2")
    if said is None:
        return False
    true = float(expected.removesuffix("m2"))
    return class_of(said) == class_of(true) if is_area else math.floor(said + 0.5) == math.floor(true + 0.5)


def score(replies: Sequence[str], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """Score each reply: 1 where it is of the class of an answer of its sample, else 0.

    Args:
        replies: one reply per sample.
        samples: rows of the dataset table; `answers` is read.
    """
    pairs = zip(replies, samples, strict=True)
    right = [any(is_right(reply, answer) for answer in sample["answers"]) for reply, sample in pairs]
    return np.array(right, dtype=np.float64)
