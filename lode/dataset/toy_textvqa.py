"""Rendered words: the offline twin of TextVQA.

One word per image, drawn with matplotlib's DejaVu fonts at a random size, shift, angle and pair of colours.
The prompt is the question alone, and every sample has ten (equal) answers, as in TextVQA. The words are
the same in all splits; the renderings never are, so this measures reading of known words, not spelling
of unknown ones.
"""

import random
from collections.abc import Iterator

from lode.dataset import Sample, only_split
from lode.dataset._splits import word_of
from lode.dataset._toy_signs import render
from lode.media import encode_image

HELD_OUT = "clusters"
WORDS = (
    "apple beach bread cafe circus coffee dance east exit farm fire fish garden gold hotel island juice king lake "
    "lemon maple metro milk moon north ocean open park pizza queen river school shop south stop sugar taxi tiger "
    "train velvet west zoo"
).split()
QUESTIONS = ("what word is written here?", "what does the sign say?", "which word is in the image?")


def _candidates(split: str, seed: int) -> Iterator[tuple[str, Sample]]:
    rng = random.Random(f"toy_textvqa|{seed}|{word_of(split)}")
    while True:
        word, question, drawing = rng.choice(WORDS), rng.choice(QUESTIONS), rng.getrandbits(48)
        content = f"{word}|{drawing}"
        image = encode_image(render(word, random.Random(content)))
        name = f"toy_textvqa-{drawing:012x}"
        yield content, Sample(name, name, split, question, (word,) * 10, (image,))


def samples(split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine."""
    return only_split(_candidates(split, seed), split, num_samples, seed)
