"""How alike two texts are, character by character: what the scores of documents are made of."""

from collections.abc import Iterable


def spaced(text: str) -> str:
    """A text in lower case, with one blank where there is white space, and none around it."""
    return " ".join(text.lower().split())


def likeness(reply: str, answers: Iterable[str]) -> float:
    """The largest normalised Levenshtein similarity of a reply to an answer; 0 without a reply or an answer.

    It is 1 - d / n, where d is the smallest number of characters to insert, delete or replace, and n the number of
    characters of the longer text; both as `spaced` gives them.

    Args:
        reply: of a model.
        answers: accepted ones; a blank one is none.
    """
    from rapidfuzz.distance import Levenshtein

    said = spaced(reply)
    found = (Levenshtein.normalized_similarity(said, answer) for answer in map(spaced, answers) if answer)
    return max(found, default=0.0) if said else 0.0
