"""The scores of MMNeuron's five benchmarks, the field's and the paper's: values worked by hand, and slow plain ones."""

import json
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lode.scoring import anls, docvqa_paper, equality_paper, pmc_vqa_paper, rsvqa_accuracy, token_f1
from lode.scoring._similarity import likeness
from lode.scoring.rsvqa_accuracy import class_of, first_number


def sample(*answers: str, index: int = -1, **meta: Any) -> dict[str, Any]:
    return {"sample_id": "a", "answers": list(answers), "answer_index": index, "meta": json.dumps(meta)}


def one(plugin: ModuleType, reply: str, row: dict[str, Any]) -> float:
    return plugin.score([reply], [row])[0]


# --- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "answers", "with_threshold", "without"),
    [
        ("1998", ["1998"], 1, 1),
        (" 12  MAY\n1998 ", ["12 may 1998"], 1, 1),  # case and white space do not count
        ("1989", ["1998"], 0, 1 / 2),  # two of four characters differ, which is no more than half
        ("1996", ["1998"], 3 / 4, 3 / 4),
        ("$12,500", ["$12,600"], 6 / 7, 6 / 7),
        ("Mr. Smith", ["Mr. Jones"], 0, 4 / 9),  # five of nine
        ("15", ["16"], 0, 1 / 2),
        ("no", ["on"], 0, 0),
        ("it is 1998", ["1998"], 0, 4 / 10),  # six characters more
        ("1998", ["May", "1998", "98"], 1, 1),  # the best answer counts
        ("", ["1998"], 0, 0),
        ("  ", ["1998"], 0, 0),
        ("x", [""], 0, 0),
        ("", [""], 0, 0),
        ("x", [], 0, 0),
    ],
)
def test_documents_by_hand(reply: str, answers: list[str], with_threshold: float, without: float) -> None:
    assert one(anls, reply, sample(*answers)) == pytest.approx(with_threshold)
    assert one(docvqa_paper, reply, sample(*answers)) == pytest.approx(without)


def edits(one_text: str, other: str) -> int:
    """The Levenshtein distance by its recursion."""

    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (one_text[i - 1] != other[j - 1]))

    return of(len(one_text), len(other))


texts = st.text("ab 1B\n", max_size=7)


@given(texts, st.lists(texts, max_size=3))
@settings(max_examples=200, deadline=None)
def test_documents_against_the_recursion(reply: str, answers: list[str]) -> None:
    said = " ".join(reply.strip().lower().split())
    slow = [
        1 - edits(said, answer) / max(len(said), len(answer))
        for answer in (" ".join(text.lower().split()) for text in answers)
        if said and answer
    ]
    expected = max(slow, default=0)
    assert likeness(reply, answers) == pytest.approx(expected)
    assert one(docvqa_paper, reply, sample(*answers)) == pytest.approx(expected)
    assert one(anls, reply, sample(*answers)) == pytest.approx(expected if expected > 0.5 else 0)


def test_the_papers_score_pays_a_model_that_reads_nothing() -> None:
    """Ten dates, each answered by the date of another page: no one is right."""
    dates = [f"{day} May 19{90 - day}" for day in range(11, 21)]
    rows = [sample(date) for date in dates]
    others = dates[3:] + dates[:3]
    assert (docvqa_paper.score(others, rows) > 0.5).all()
    assert docvqa_paper.score(others, rows).mean() > 0.6
    assert docvqa_paper.score(dates, rows).tolist() == [1] * 10


# --- everyday scenes, aerial photographs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected"), [("yes", 1), ("YES", 1), ("Yes.", 0), (" yes", 0), ("it is", 0), ("", 0), ("no", 0)]
)
def test_equality_takes_nothing_off(reply: str, expected: float) -> None:
    assert one(equality_paper, reply, sample("Yes", "it  is")) == expected


def test_equality_counts_those_who_were_sure() -> None:
    row = sample(*["no"] * 9, "maybe", sure=["maybe"])
    assert [one(equality_paper, reply, row) for reply in ("no", "Maybe")] == [0, 1]
    assert one(equality_paper, "no", sample("no", sure=[])) == 0, "no one was sure"
    assert one(equality_paper, "no", {**sample("no"), "meta": ""}) == 1
    assert one(equality_paper, "", sample("", sure=[""])) == 0


@pytest.mark.parametrize(
    ("reply", "answer", "expected"),
    [
        ("yes", "yes", 1),
        (" Yes. ", "yes", 1),
        ("Yes, there is", "yes", 0),
        ("no", "yes", 0),
        ("", "yes", 0),
        ("7", "7", 1),
        ("There are seven buildings.", "7", 1),
        ("7.4", "7", 1),  # to the next whole number
        ("7.5", "7", 0),
        ("6.5", "7", 1),  # a half upwards
        ("8", "7", 0),
        ("17", "7", 0),
        ("none", "0", 0),
        ("zero", "0", 1),
        ("many", "7", 0),
        ("", "0", 0),
        ("1,234", "1234", 1),
        ("40 m2", "38m2", 1),  # both above 10 and at most 100
        ("about 11 square metres", "100m2", 1),
        ("10", "38m2", 0),
        ("101", "100m2", 0),
        ("0", "0m2", 1),
        ("0.5", "0m2", 0),
        ("0.5", "10m2", 1),
        ("5000", "1001m2", 1),
        ("1,000", "1001m2", 0),
        ("some", "0m2", 0),
    ],
)
def test_aerial_by_hand(reply: str, answer: str, expected: float) -> None:
    assert one(rsvqa_accuracy, reply, sample(answer)) == expected


def test_the_paper_cannot_be_right_about_an_area() -> None:
    """Whoever sees 40 of 38 square metres is right for the authors of the dataset."""
    row = sample("38m2")
    replies = ("40", "38", "38 m2", "between 10m2 and 100m2", "38m2")
    assert [one(equality_paper, reply, row) for reply in replies] == [0, 0, 0, 0, 1]
    assert [one(rsvqa_accuracy, reply, row) for reply in replies] == [1, 1, 1, 0, 1]


@given(st.integers(0, 3000))
def test_classes_of_areas_are_those_of_the_authors(area: int) -> None:
    """Their bounds, written out: 0; 1 to 10; 11 to 100; 101 to 1000; more."""
    ranges = [range(1), range(1, 11), range(11, 101), range(101, 1001), range(1001, 3001)]
    assert class_of(float(area)) == next(place for place, held in enumerate(ranges) if area in held)
    assert first_number(f"It is {area:,} m2 or 3") == area


# --- medical figures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "index", "expected"),
    [
        ("B", 1, 1),
        ("b", 1, 0),
        ("The answer is B.", 1, 1),
        ("Answer: B", 0, 1),  # the defect: the A of "Answer"
        ("CT shows B", 2, 1),
        ("A, B, C or D", 3, 1),
        ("B and B", 1, 1),  # theirs adds two
        ("", 1, 0),
        ("B", -1, 0),
    ],
)
def test_medical_by_hand(reply: str, index: int, expected: float) -> None:
    assert one(pmc_vqa_paper, reply, sample("B", index=index)) == expected


# --- the road ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "answers", "expected"),
    [
        ("There is one car.", ["there is one car"], 1),
        ("One car there is", ["There is one car!"], 1),  # the order does not count
        ("the car", ["a car"], 1),  # nor do articles
        ("there is no car", ["there is a car"], 2 * 3 / (4 + 3)),
        ("car car car", ["one car"], 2 * 1 / (3 + 2)),  # a word counts as often as in both
        ("red", ["blue", "red light"], 2 * 1 / (1 + 2)),
        ("red", ["blue"], 0),
        ("", ["blue"], 0),
        ("the", ["the"], 0),
        ("red", [], 0),
    ],
)
def test_shared_words_by_hand(reply: str, answers: list[str], expected: float) -> None:
    assert one(token_f1, reply, sample(*answers)) == pytest.approx(expected)


def slow_f1(said: Sequence[str], answer: Sequence[str]) -> float:
    """Precision and recall, one word crossed out at a time."""
    left, same = list(answer), 0
    for word in said:
        if word in left:
            left.remove(word)
            same += 1
    if not same:
        return 0.0
    precision, recall = same / len(said), same / len(answer)
    return 2 * precision * recall / (precision + recall)


sentences = st.lists(st.sampled_from("car is red two".split()), max_size=6)


@given(sentences, st.lists(sentences, min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_shared_words_against_the_plain_version(said: list[str], answers: list[list[str]]) -> None:
    expected = max(slow_f1(said, answer) for answer in answers)
    assert one(token_f1, " ".join(said), sample(*map(" ".join, answers))) == pytest.approx(expected)
