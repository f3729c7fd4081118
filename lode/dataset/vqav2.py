"""VQAv2: questions about photographs of everyday scenes, ten answers each (validation, 214,354 questions).

MMNeuron's domain "common". The prompt is MMNeuron's form for a short answer. The cluster is the image, a photograph of
COCO val2014. Of the ten answers the commonest stands first, so that it is the gold answer; of equally common ones, the
first. `meta.sure` holds the answers that someone was sure of (confidence "yes"), which alone count in MMNeuron's score.

Records of `lmms-lab/VQAv2`, where a photograph is repeated for each of its questions, so that the split is large to
stream: `first` stops after so many records, which are sorted by image.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lode.dataset import Sample
from lode.dataset._domains import Identity, Questions, samples_of_questions
from lode.hub.datasets import Record

HELD_OUT = "clusters"
KEYS = ("question_id", "image_id")
COLUMNS = (*KEYS, "question", "question_type", "answer_type", "answers", "image")


def _identity(number: int, record: Record) -> Identity:
    image = f"coco-{record['image_id']}"
    return Identity(f"vqav2-{record['question_id']}", image, image)


def commonest_first(answers: Sequence[str]) -> tuple[str, ...]:
    """All the answers, those given most often first, and equally frequent ones in their order."""
    counts = Counter(answers)
    return tuple(sorted(answers, key=lambda answer: -counts[answer]))


def _answered(sample: Sample, record: Record) -> Sample:
    given = record["answers"]
    kept = {
        "question_type": record["question_type"],
        "answer_type": record["answer_type"],
        "sure": sorted({one["answer"] for one in given if one["answer_confidence"] == "yes"}),
    }
    answers = commonest_first([one["answer"] for one in given])
    return replace(sample, answers=answers, meta={**sample.meta, **kept})


#: The options are those of `_domains.py` beside this file.
samples = samples_of_questions(Questions("validation", "common", KEYS, COLUMNS, _identity, _answered))
