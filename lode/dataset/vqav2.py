"""VQAv2: questions about photographs of everyday scenes, ten answers each (validation, 214,354 questions).

MMNeuron's domain "common". The prompt is MMNeuron's form for a short answer. The cluster is the image, a photograph of
COCO val2014. Of the ten answers the commonest stands first, so that it is the gold answer; of equally common ones, the
first. `meta.sure` holds the answers that someone was sure of (confidence "yes"), which alone count in MMNeuron's score.

Records of `lmms-lab/VQAv2`, where a photograph is repeated for each of its questions, so that the split is large to
stream: `first` stops after so many records, which are sorted by image.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from lode.dataset import Sample
from lode.dataset._domains import SHORT, Identity, drawn_images, worded
from lode.dataset._splits import Draw
from lode.hub.datasets import Record, Source, commit_of, encoded

HELD_OUT = "clusters"
DOMAIN = "common"
KEYS = ("question_id", "image_id")
COLUMNS = (*KEYS, "question", "question_type", "answer_type", "answers", "image")


def _identity(number: int, record: Record) -> Identity:
    image = f"coco-{record['image_id']}"
    return Identity(f"vqav2-{record['question_id']}", image, image)


def commonest_first(answers: Sequence[str]) -> tuple[str, ...]:
    """All the answers, those given most often first, and equally frequent ones in their order."""
    counts = Counter(answers)
    return tuple(sorted(answers, key=lambda answer: -counts[answer]))


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    revision: str | None = None,
    prompt: str = SHORT,
    one_per_image: bool = True,
    first: int | None = None,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; an image is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        prompt: the form of the request, `{question}` where the question goes.
        one_per_image: draw images, and one question of each.
        first: only so many records are looked at; None: all.
        mine_frac: share of the images that go to `mine`.
    """
    origin, draw = Source(source, revision, "validation"), Draw(split, num_samples, seed, mine_frac)
    for identity, record in drawn_images(origin, KEYS, COLUMNS, _identity, draw, one_per_image, first=first):
        yield Sample(
            sample_id=identity.sample_id,
            cluster_id=identity.cluster,
            split=split,
            prompt=worded(prompt, record["question"]),
            answers=commonest_first([given["answer"] for given in record["answers"]]),
            media=(encoded("image", record["image"], identity.sample_id),),
            meta={
                "revision": commit_of(origin),
                "domain": DOMAIN,
                "question_type": record["question_type"],
                "answer_type": record["answer_type"],
                "sure": sorted({given["answer"] for given in record["answers"] if given["answer_confidence"] == "yes"}),
            },
        )
