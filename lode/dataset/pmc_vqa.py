"""PMC-VQA: four-way multiple choice about figures of medical articles (version 2, test, 33,430 questions).

MMNeuron's domain "medical". The prompt lists the lettered options and asks for a letter, in our words (MMNeuron's are
in its repository, `Z1zs/MMNeuron`, `scripts/load_bench.py`; set `prompt` to repeat them). Where an option begins with
its own letter ("A: Liver"), that is taken off.

The publishers' files are tables and an archive of 19 GB (`RadGenome/PMC-VQA`). Records are those of
`mdwiratathya/PMC-VQA_small`, the second version with the figures in it. They name no file, so the figure is known by
its caption: the cluster is the caption's digest. Records without a caption, with an option that is missing, blank or
there twice, or without a right letter are left out.
"""

import re
from collections.abc import Iterator
from hashlib import sha256

from lode.dataset import BY_LETTER, Sample
from lode.dataset._domains import Identity, drawn_images, worded
from lode.dataset._splits import Draw
from lode.hub.datasets import Record, Source, commit_of, encoded

HELD_OUT = "clusters"
DOMAIN = "medical"
LETTERS = "ABCD"
PROMPT = "Question: {question}\nOptions:\n{options}\nAnswer with the letter of the right option only."
CHOICES = tuple(f"choice {letter.lower()}" for letter in LETTERS)
KEYS = ("caption", *CHOICES, "answer label")
COLUMNS = (*KEYS, "question", "image")


def options(record: Record) -> tuple[str, ...]:
    """The texts of the options without the letters before them; empty where one is missing, blank or there twice."""
    texts = [
        re.sub(rf"^\s*{letter}\s*[:.)]\s*", "", record[column] or "").strip()
        for letter, column in zip(LETTERS, CHOICES, strict=True)
    ]
    return tuple(texts) if all(texts) and len(set(texts)) == len(texts) else ()


def right(record: Record) -> int:
    """The place of the right option; -1 where the record names none."""
    label = (record["answer label"] or "").strip()
    return LETTERS.index(label) if len(label) == 1 and label in LETTERS else -1


def _identity(number: int, record: Record) -> Identity | None:
    caption = (record["caption"] or "").strip()
    if not caption or not options(record) or right(record) < 0:
        return None
    figure = f"figure-{sha256(caption.encode()).hexdigest()[:16]}"
    return Identity(f"pmc_vqa-{number:05d}", figure, figure)


def samples(
    split: str,
    num_samples: int,
    seed: int,
    source: str,
    revision: str | None = None,
    prompt: str = PROMPT,
    one_per_image: bool = True,
    mine_frac: float = 0.5,
) -> Iterator[Sample]:
    """Yield a uniform draw of the split.

    Args:
        split: `mine` or `test`; a figure is in one of them.
        num_samples: at most this many.
        seed: of the split and of the draw.
        source: a hub id or a folder.
        revision: of the hub dataset.
        prompt: the form of the request, `{question}` and `{options}` where the question and the lettered options go.
        one_per_image: draw figures, and one question of each.
        mine_frac: share of the figures that go to `mine`.
    """
    origin, draw = Source(source, revision, "test"), Draw(split, num_samples, seed, mine_frac)
    for identity, record in drawn_images(origin, KEYS, COLUMNS, _identity, draw, one_per_image, nullable=KEYS):
        choices, index = options(record), right(record)
        lines = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))
        yield Sample(
            sample_id=identity.sample_id,
            cluster_id=identity.cluster,
            split=split,
            prompt=worded(prompt, record["question"]).replace("{options}", lines),
            answers=(LETTERS[index],),
            media=(encoded("image", record["image"], identity.sample_id),),
            choices=choices,
            answer_index=index,
            meta={"revision": commit_of(origin), "domain": DOMAIN, **BY_LETTER},
        )
