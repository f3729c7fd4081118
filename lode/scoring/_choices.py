"""Which of the choices of its sample a free reply names: by the last that it names, or by letter or name."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.scoring._diagnostics import canonical

#: A reply that names no choice, or several where one is asked for.
NO_CHOICE = -1
_LETTER = re.compile(r"\W*([A-Za-z])(?:[).:\n]|\W*$)")
_ANSWER = re.compile(r"answer:", re.IGNORECASE)


def _named(choice: str) -> str:
    """A pattern of a choice as a word of its own; of a number, as a whole number, whatever letters touch it."""
    inside = r"\d" if choice.isdecimal() else r"\w"
    decimals = r"(?<!\d[.,])", r"(?![.,]\d)"
    before, after = decimals if choice.isdecimal() else ("", "")
    return rf"{before}(?<!{inside}){re.escape(canonical(choice))}(?!{inside}){after}"


def last_named(reply: str, choices: Sequence[str]) -> int:
    """The place of the choice that a reply names last; `NO_CHOICE` where it names none.

    Of steps 1 to n that is the last whole number from 1 to n: "steps 2 and 12" of 9 steps says 2.
    """
    found = [
        (match.start(), place)
        for place, choice in enumerate(choices)
        for match in re.finditer(_named(choice), canonical(reply))
        if choice.strip()
    ]
    return max(found, default=(0, NO_CHOICE))[1]


def letter_or_name(reply: str, choices: Sequence[str]) -> int:
    """The place of the choice whose letter a reply begins with, or else of the one choice that it names.

    What stands before the last "answer:", capitals or not, is thought and does not count.

    Returns:
        The place, `NO_CHOICE` where there is no such letter, and no choice or several are named.
    """
    said = _ANSWER.split(reply)[-1]
    letter = _LETTER.match(said)
    place = ord(letter[1].upper()) - ord("A") if letter else len(choices)
    if place < len(choices):
        return place
    named = [i for i, choice in enumerate(choices) if choice.strip() and re.search(_named(choice), canonical(said))]
    return named[0] if len(named) == 1 else NO_CHOICE


def hits(places: Sequence[int], samples: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, " sample"]:
    """1 where the choice that is named is the right one, else 0; so where none is named, or none is right.

    Args:
        places: of the choice that each reply names.
        samples: rows of the dataset table; `answer_index` is read.
    """
    pairs = zip(places, samples, strict=True)
    return np.array([place == sample["answer_index"] != NO_CHOICE for place, sample in pairs], dtype=np.float64)
