"""DocVQA: questions about scanned pages of industry documents (validation, 5,349 questions about 1,286 pages).

MMNeuron's domain "document", and its source. The prompt is MMNeuron's form for a short answer. The cluster is the
document, of which there may be several pages; it is in one split. Records of `pixparse/docvqa-single-page-questions`.
"""

from dataclasses import replace

from lode.dataset import Sample
from lode.dataset._domains import Identity, Questions, samples_of_questions
from lode.hub.datasets import Record

HELD_OUT = "clusters"
KEYS = ("question_id", "other_metadata")
COLUMNS = (*KEYS, "question", "answers", "image")


def _identity(number: int, record: Record) -> Identity:
    page = record["other_metadata"]
    return Identity(f"docvqa-{record['question_id']}", str(page["ucsf_document_id"]), str(page["image"]))


def _answered(sample: Sample, record: Record) -> Sample:
    page = {"page": str(record["other_metadata"]["image"])}
    return replace(sample, answers=tuple(record["answers"]), meta={**sample.meta, **page})


#: The options are those of `_domains.py` beside this file.
samples = samples_of_questions(Questions("validation", "document", KEYS, COLUMNS, _identity, _answered))
