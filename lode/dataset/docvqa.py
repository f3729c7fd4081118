"""DocVQA: questions about scanned pages of industry documents (validation, 5,349 questions about 1,286 pages).

MMNeuron's domain "document", and its source. The prompt is MMNeuron's form for a short answer. The cluster is the
document, of which there may be several pages; it is in one split. Records of `pixparse/docvqa-single-page-questions`.
"""

from collections.abc import Iterator

from lode.dataset import Sample
from lode.dataset._domains import SHORT, Identity, drawn_images, worded
from lode.dataset._splits import Draw
from lode.hub.datasets import Record, Source, commit_of, encoded

HELD_OUT = "clusters"
DOMAIN = "document"
KEYS = ("question_id", "other_metadata")
COLUMNS = (*KEYS, "question", "answers", "image")


def _identity(number: int, record: Record) -> Identity:
    page = record["other_metadata"]
    return Identity(f"docvqa-{record['question_id']}", str(page["ucsf_document_id"]), str(page["image"]))


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    revision: str | None = None,
    prompt: str = SHORT,
    one_per_image: bool = True,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; a document is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        prompt: the form of the request, `{question}` where the question goes.
        one_per_image: draw pages, and one question of each.
        mine_frac: share of the documents that go to `mine`.
    """
    origin, draw = Source(source, revision, "validation"), Draw(split, num_samples, seed, mine_frac)
    for identity, record in drawn_images(origin, KEYS, COLUMNS, _identity, draw, one_per_image):
        yield Sample(
            sample_id=identity.sample_id,
            cluster_id=identity.cluster,
            split=split,
            prompt=worded(prompt, record["question"]),
            answers=tuple(record["answers"]),
            media=(encoded("image", record["image"], identity.sample_id),),
            meta={"revision": commit_of(origin), "domain": DOMAIN, "page": identity.image},
        )
