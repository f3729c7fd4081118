"""Replies read as steps and as classes: worked by hand, and beside a slow plain reading of numbers."""

import random
from typing import Any

import pytest

from lode.scoring import category_accuracy, choice_likelihood, step_accuracy, within_one_step

KINDS = ("visual", "calculation", "knowledge", "misunderstanding", "reasoning")


def steps(num: int, gold: int, first: int = 1) -> dict[str, Any]:
    """A row of STEP with `num` steps."""
    choices = [str(number) for number in range(first, num + 1)]
    return {"choices": choices, "answer_index": choices.index(str(gold)), "answers": [str(gold)]}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("3", 3),
        ("Step 3.", 3),
        ("step3", 3),
        ("**4**", 4),
        ("the 3rd step", 3),
        ("first 2, then 5", 5),
        ("2 and 12", 2),  # there is no step 12
        ("10", None),
        ("0", None),
        ("1.5", None),
        ("-3", 3),
        ("", None),
        ("three", None),
        ("Step 2: 4 + 4 = 9", 9),
        ("٣", None),  # a digit of another script is no choice
    ],
)
def test_the_last_number_of_a_step_is_what_is_said(reply: str, says: int | None) -> None:
    place = step_accuracy.said([reply], [steps(9, 1)])[0]
    assert place == (-1 if says is None else says - 1)
    for gold in range(1, 10):
        assert step_accuracy.score([reply], [steps(9, gold)]).tolist() == [gold == says]


def test_no_step_is_a_choice_where_it_is_listed() -> None:
    assert step_accuracy.score(
        ["0", "0", "none"], [steps(4, 0, first=0), steps(4, 1, first=0), steps(4, 0, first=0)]
    ).tolist() == [1, 0, 0]


def slow_number(reply: str, num: int) -> int | None:
    """The last run of digits that is a whole number from 1 to `num`, letter by letter; no reply holds decimals."""
    runs, run = [], ""
    for letter in f"{reply} ":
        if letter in "0123456789":
            run += letter
        elif run:
            runs.append(run)
            run = ""
    said = [int(text) for text in runs if text[0] != "0" and 1 <= int(text) <= num]
    return said[-1] if said else None


def test_steps_as_read_letter_by_letter() -> None:
    rng = random.Random(3)
    replies = ["".join(rng.choice("0123456789  ab:)") for _ in range(rng.randint(0, 8))) for _ in range(2000)]
    found = step_accuracy.said(replies, [steps(12, 1)] * len(replies))
    expected = [slow_number(reply, 12) for reply in replies]
    assert found == [-1 if number is None else number - 1 for number in expected]
    assert 200 < sum(number is None for number in expected) < 1800


def test_within_one_step_by_hand() -> None:
    """Of five steps the third is wrong: 2, 3 and 4 are near."""
    replies = ["1", "2", "3", "4", "5", "6", ""]
    assert within_one_step.score(replies, [steps(5, 3)] * 7).tolist() == [0, 1, 1, 1, 0, 0, 0]


def test_no_step_has_no_neighbour() -> None:
    replies = ["0", "1", "2"]
    assert within_one_step.score(replies, [steps(5, 0, first=0)] * 3).tolist() == [1, 0, 0]
    assert within_one_step.score(replies, [steps(5, 1, first=0)] * 3).tolist() == [0, 1, 1]


def test_a_sample_without_a_right_choice_scores_0() -> None:
    row = steps(5, 1) | {"answer_index": -1}
    for plugin in (step_accuracy, within_one_step, category_accuracy):
        assert plugin.score(["1", "nothing"], [row] * 2).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("B", 1),
        ("b", 1),
        ("(B)", 1),
        ("B) calculation", 1),
        ("B: the sum is wrong", 1),
        ("B.", 1),
        ("**B**", 1),
        ("B\nBecause the sum is wrong", 1),
        ("calculation", 1),
        ("It is a Calculation error.", 1),
        ("visual or calculation", -1),
        ("miscalculation", -1),
        ("A student read the image", -1),
        ("F", -1),  # there are five
        ("F) visual", 0),
        ("", -1),
        ("The answer: it may be visual. Answer: B", 1),
        ("answer: reasoning", 4),
        ("C, no. ANSWER: (A)", 0),
    ],
)
def test_a_class_is_said_by_letter_or_name(reply: str, says: int) -> None:
    rows = [{"choices": list(KINDS), "answer_index": gold} for gold in range(5)]
    assert category_accuracy.said([reply], rows[:1]) == [says]
    assert category_accuracy.score([reply] * 5, rows).tolist() == [float(gold == says) for gold in range(5)]


def test_the_likeliest_choice_is_what_is_said() -> None:
    rows = [{"sample_id": "a", "choices": ["1", "2"], "answer_index": 0}] * 3
    assert choice_likelihood.said([(-1.0, -2.0), (-2.0, -1.0), (-1.0, -1.0)], rows) == [0, 1, 0]


def test_within_one_is_never_below() -> None:
    rng = random.Random(1)
    rows = [steps(7, rng.randint(1, 7)) for _ in range(300)]
    replies = [str(rng.randint(0, 9)) for _ in rows]
    exact, near = (plugin.score(replies, rows) for plugin in (step_accuracy, within_one_step))
    assert (near >= exact).all()
    assert near.sum() > exact.sum() > 0
