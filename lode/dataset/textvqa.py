"""TextVQA: questions about the words in photographs, ten answers each (validation, 5,000 questions, 3,166 images).

The prompt is the question alone, as in MINER. The cluster is the image. Records of `lmms-lab/textvqa`.
"""

from collections.abc import Iterator

from lode.dataset import Sample
from lode.dataset._splits import Draw
from lode.hub.datasets import Record, Source, commit_of, drawn, encoded

HELD_OUT = "clusters"
KEYS = ("question_id", "image_id")
COLUMNS = (*KEYS, "question", "image", "answers")


def _identity(number: int, record: Record) -> tuple[str, str]:
    return f"textvqa-{record['question_id']}", record["image_id"]


def samples(
    split: str, num_samples: int, seed: int, source: str, revision: str | None = None, mine_frac: float = 0.5
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; an image is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        mine_frac: share of the images that go to `mine`.
    """
    origin = Source(source, revision, "validation")
    for name, record in drawn(origin, KEYS, COLUMNS, _identity, Draw(split, num_samples, seed, mine_frac)):
        yield Sample(
            sample_id=name,
            cluster_id=record["image_id"],
            split=split,
            prompt=record["question"].strip(),
            answers=tuple(record["answers"]),
            media=(encoded("image", record["image"], name),),
            meta={"revision": commit_of(origin)},
        )
