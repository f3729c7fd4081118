"""The parts of a made-up problem: what is right by the item itself, worked out apart from the plug-in."""

import pytest

from lode.dataset import Sample, toy_errorradar_part, toy_errorradar_step
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


@pytest.mark.parametrize("form", list(toy_errorradar_part.FORMS))
def test_what_is_held_out_of_step_is_held_out_here(form: str) -> None:
    trained = {sample.cluster_id for sample in toy_errorradar_part.samples("train", 100, 5, form)}
    assert not trained & {sample.cluster_id for sample in toy_errorradar_step.samples("test", 100, 5)}


def test_another_form_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"dataset\.options\.form.*poem.*facts, work"):
        next(toy_errorradar_part.samples("train", 1, 5, "poem"))
