"""The shipped checker of made-up solutions looks at the picture: its verdicts follow what is shown, where they should.

A reading is judged by the picture, a rule without it. Sums it hardly judges (docs/findings.md); nothing is asked of it.
"""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
import torch

import lode
from lode.dataset import Sample, toy_errorradar_step
from lode.dataset._toy_errorradar_pictures import render
from lode.media import encode_image
from lode.model.adapter import Adapter
from lode.model.answering import generate, prepare_batch

NUM_SAMPLES = 75
LONGEST = 80
#: What is said of one sample.
Replies = dict[str, str]


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    options = {"none_frac": 0.2, "with_answer": False, "think_first": True}
    return list(toy_errorradar_step.samples("test", NUM_SAMPLES, 2024, **options))


@pytest.fixture(scope="module")
def checker() -> Adapter:
    return lode.open("tiny_errorradar").adapter


def replies(checker: Adapter, samples: list[Sample]) -> Replies:
    """What the checker ends with, by sample."""
    records = [{**asdict(sample), "meta": json.dumps(sample.meta)} for sample in samples]
    with torch.inference_mode():
        found = generate(checker, prepare_batch(checker, records, LONGEST).prompts, LONGEST)
    return {s.sample_id: reply.text.rpartition("Answer: ")[2] for s, reply in zip(samples, found, strict=True)}


def accuracy(samples: list[Sample], said: Replies, *kinds: str) -> float:
    asked = [sample for sample in samples if sample.meta["category"] in kinds]
    return sum(said[sample.sample_id] == sample.choices[sample.answer_index or 0] for sample in asked) / len(asked)


def shown(sample: Sample, facts: dict[str, int]) -> Sample:
    """The same question beside a picture of other facts."""
    picture = render(str(sample.meta["problem_type"]), facts, random.Random(sample.sample_id))
    return replace(sample, media=(encode_image(picture),))


def as_the_student_read(sample: Sample) -> Sample:
    facts = dict(sample.meta["truth"]["facts"])  # type: ignore[index]
    for line in sample.prompt.splitlines():
        name, _, value = line.partition(") ")[2].rpartition(" is ")
        facts |= {name: int(value)} if name in facts else {}
    return shown(sample, facts)


def of_another_problem(samples: list[Sample]) -> Callable[[Sample], Sample]:
    """The picture of the next problem of the same type."""
    of_type: dict[object, list[Sample]] = {}
    for sample in samples:
        of_type.setdefault(sample.meta["problem_type"], []).append(sample)

    def change(sample: Sample) -> Sample:
        alike = of_type[sample.meta["problem_type"]]
        return replace(sample, media=alike[(alike.index(sample) + 1) % len(alike)].media)

    return change


def test_verdicts_follow_the_picture(checker: Adapter, samples: list[Sample]) -> None:
    clean = replies(checker, samples)
    assert accuracy(samples, clean, "VIS") >= 0.6
    assert accuracy(samples, clean, "KNOW", "MIS") >= 0.95
    misread = [as_the_student_read(sample) for sample in samples if sample.meta["category"] == "VIS"]
    agreeing = replies(checker, misread)
    assert accuracy(misread, agreeing, "VIS") <= 0.1
    assert sum(said == "0" for said in agreeing.values()) >= 0.8 * len(misread), "all is right by this picture"
    other = replies(checker, list(map(of_another_problem(samples), samples)))
    assert accuracy(samples, other, "none") <= 0.2
    assert accuracy(samples, other, "KNOW", "MIS") >= 0.95
