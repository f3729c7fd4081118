"""The parts of a made-up problem: what is right by the item itself, worked out apart from the plug-in."""

from typing import Any

import pytest

from lode.dataset import Sample, toy_errorradar_part, toy_errorradar_step
from lode.dataset._toy_errorradar import PADDING
from lode.dataset._toy_errorradar_items import items
from lode.engine.errors import UserError

NUM_SAMPLES = 300
TRUTHS = {item.sample_id: item.meta["truth"] for item in items("train", NUM_SAMPLES, 5, "balanced", 0.0)}
SIGNS = {"+": int.__add__, "-": int.__sub__, "x": int.__mul__, "/": int.__floordiv__}


def drawn(form: str) -> list[Sample]:
    return list(toy_errorradar_part.samples("train", NUM_SAMPLES, 5, form))


def worked(text: str) -> int:
    """From left to right, as a pupil would."""
    first, *rest = text.split()
    value = int(first)
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        value = SIGNS[sign](value, int(number))
    return value


def test_facts_are_those_of_the_picture() -> None:
    for sample in drawn("facts"):
        told = dict(part.split(" is ") for part in sample.answers[0].split(", "))
        assert {name: int(value) for name, value in told.items()} == TRUTHS[sample.sample_id]["facts"]


def test_an_operation_has_its_result() -> None:
    for sample in drawn("work"):
        assert worked(sample.prompt.rpartition("What is ")[2].rstrip("?")) == int(sample.answers[0])


def steps_of(prompt: str) -> dict[str, str]:
    """The steps of a student by their numbers."""
    lines = prompt.partition("The student's steps:\n")[2].splitlines()[:-1]
    return dict(line.split(") ", 1) for line in lines)


def judged(step: str, truth: dict[str, Any]) -> tuple[str, bool | None]:
    """What is found of a step that holds a number at its end, and whether it is right; by the truth of its item.

    None where the rule has to say it: an operation that is right by itself.
    """
    name, _, said = step.rpartition(" is ")
    if name:
        value = truth["facts"][name]
        return f"shows {value} says {said}", value == int(said)
    work, _, said = step.rpartition(" = ")
    value = worked(work)
    return f"gives {value} says {said}", None if value == int(said) else False


def test_a_check_says_what_should_be_there_and_what_is() -> None:
    wrong = 0
    for sample in drawn("check"):
        number = sample.prompt.rpartition("Is step ")[2].removesuffix(" right?")
        found, right = judged(steps_of(sample.prompt)[number], TRUTHS[sample.sample_id])
        assert sample.answers[0] == f"{found} {'wrong' if right is False else 'fine'}"
        wrong += right is False
    assert wrong == NUM_SAMPLES * 2 // 5, "that of every VIS and CAL"


def test_a_reply_aloud_goes_up_to_the_first_wrong_step() -> None:
    """And its prompt is that of the question for the step: by the item, worked out apart from the plug-in."""
    options = {"none_frac": 0.2, "with_answer": False, "think_first": True}
    asked = list(toy_errorradar_step.samples("train", NUM_SAMPLES, 5, **options))
    for sample, same in zip(drawn("aloud"), asked, strict=True):
        assert (sample.sample_id, sample.prompt, sample.media) == (same.sample_id, same.prompt, same.media)
        assert sample.answers == same.answers
        *lines, last = sample.answers[0].splitlines()
        gold, truth = int(same.choices[same.answer_index or 0]), same.meta["truth"]
        assert last == f"Answer: {gold}"
        steps, category = steps_of(sample.prompt), same.meta["category"]
        told = dict(line.split(") ", 1) for line in lines)
        silent = {number for number, step in steps.items() if step in PADDING}
        assert list(told) == [
            number for number in steps if int(number) <= (gold or len(steps)) and number not in silent
        ]
        for number, line in told.items():
            right = int(number) != gold
            if steps[number].split()[-2] not in ("is", "=") or (category == "REAS" and not right):
                assert line == ("fine" if right else "wrong")
                continue
            found, is_right = judged(steps[number], truth)
            assert line == f"{found} {'fine' if right else 'wrong'}"
            assert is_right in (None, right)


@pytest.mark.parametrize("form", list(toy_errorradar_part.FORMS))
def test_what_is_held_out_of_step_is_held_out_here(form: str) -> None:
    trained = {sample.cluster_id for sample in toy_errorradar_part.samples("train", 100, 5, form)}
    assert not trained & {sample.cluster_id for sample in toy_errorradar_step.samples("test", 100, 5)}


def test_another_form_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"dataset\.options\.form.*poem.*facts, work"):
        next(toy_errorradar_part.samples("train", 1, 5, "poem"))
