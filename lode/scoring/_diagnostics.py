"""Signs that a model has collapsed rather than lost one ability; read beside every score (docs/methods.md 4.15).

All are of the text of one reply. `parses` and `loops` do not tell right from wrong: a model that always says "B"
parses, never repeats itself and is not empty. `begins` tells a right answer that did not stop from a wrong one.
"""

import re
from collections.abc import Sequence
from unicodedata import normalize

#: Repeats of a unit of at most so many words (or characters), at least so many times in a row, are a loop.
MAX_WORDS, WORD_TIMES = 8, 3
MAX_CHARACTERS, CHARACTER_TIMES = 4, 10
_LETTER = re.compile(r"\(?([A-Za-z])(?:[).:]|$)")


def canonical(text: str) -> str:
    """A text as it is compared: without outer white space and capitals, composed (NFC).

    Folding the case may undo the normal form, so it comes first.
    """
    return normalize("NFC", text.strip().casefold())


def is_answer(reply: str, answers: Sequence[str]) -> bool:
    """Whether a reply is a non-blank answer, no more and no less."""
    return canonical(reply) in {canonical(answer) for answer in answers} - {""}


def begins(reply: str, answers: Sequence[str]) -> bool:
    """Whether a reply begins with a non-blank answer; what follows, a blank or not, is not looked at."""
    said = canonical(reply)
    return any(answer and said.startswith(answer) for answer in map(canonical, answers))


def parses(reply: str, choices: Sequence[str]) -> bool:
    """Whether a reply is an answer at all.

    With choices it must name one of them: by its letter (`B`, `(b)`, `B. ...`), or by its whole text, capitals and a
    full stop at the end aside. Without choices it must hold some text.
    """
    text = reply.strip()
    if not choices:
        return bool(text)
    letter = _LETTER.match(text)
    if letter and ord(letter[1].upper()) - ord("A") < len(choices):
        return True
    return text.rstrip(".").casefold() in {choice.strip().rstrip(".").casefold() for choice in choices}


def loops(reply: str) -> bool:
    """Whether some words or characters come again and again.

    That is: a unit of 1 to 8 words 3 times in a row, or a unit of 1 to 4 characters 10 times in a row (for text without
    spaces). "no no no" and "!!!!!!!!!!" are loops, "1000000" is none.
    """
    words = reply.split()
    return _repeats(words, MAX_WORDS, WORD_TIMES) or _repeats("".join(words), MAX_CHARACTERS, CHARACTER_TIMES)


def _repeats(units: Sequence[str], longest: int, times: int) -> bool:
    """Whether n units in a row, n <= longest, occur `times` times without a gap."""
    for length in range(1, min(longest, len(units) // times) + 1):
        run = 0
        for place in range(length, len(units)):
            run = run + 1 if units[place] == units[place - length] else 0
            if run == length * (times - 1):
                return True
    return False
