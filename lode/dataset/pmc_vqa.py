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
from dataclasses import replace
from hashlib import sha256

from lode.dataset import BY_LETTER, Sample
from lode.dataset._domains import Identity, Questions, samples_of_questions
from lode.hub.datasets import Record

HELD_OUT = "clusters"
LETTERS = "ABCD"
PROMPT = "Question: {question}\nOptions:\n{options}\nAnswer with the letter of the right option only."
CHOICES = tuple(f"choice {letter.lower()}" for letter in LETTERS)
KEYS = ("caption", *CHOICES, "answer label")
COLUMNS = (*KEYS, "question", "image")


def options(record: Record) -> tuple[str, ...]:
    """The texts of the options without the letters before them; empty where one is missing, blank or there twice.

    Only where all have their letters: alone, "A. baumannii" is a species.
    """
    texts = [(record[column] or "").strip() for column in CHOICES]
    bare = [re.sub(rf"^{letter}\s*[:.)]\s*", "", text) for letter, text in zip(LETTERS, texts, strict=True)]
    texts = bare if all(map(str.__ne__, bare, texts)) else texts
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


def _answered(sample: Sample, record: Record) -> Sample:
    choices, index = options(record), right(record)
    lines = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))
    return replace(
        sample,
        prompt=sample.prompt.replace("{options}", lines),
        answers=(LETTERS[index],),
        choices=choices,
        answer_index=index,
        meta={**sample.meta, **BY_LETTER},
    )


#: The options are those of `_domains.py` beside this file; in `prompt` the lettered options go where `{options}` is.
samples = samples_of_questions(
    Questions("test", "medical", KEYS, COLUMNS, _identity, _answered, prompt=PROMPT, nullable=KEYS)
)
