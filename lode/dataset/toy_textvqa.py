"""Rendered words: the offline twin of TextVQA.

One word per image, drawn with matplotlib's DejaVu fonts at a random size, shift, angle and pair of colours.
The prompt is the question alone, and every sample has ten (equal) answers, as in TextVQA. The words are
the same in all splits; the renderings never are, so this measures reading of known words, not spelling
of unknown ones.
"""

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from lode.dataset import Sample, only_split
from lode.dataset._splits import word_of
from lode.media import encode_image

HELD_OUT = "clusters"
SIDE = 84
WORDS = (
    "apple beach bread cafe circus coffee dance east exit farm fire fish garden gold hotel island juice king lake "
    "lemon maple metro milk moon north ocean open park pizza queen river school shop south stop sugar taxi tiger "
    "train velvet west zoo"
).split()
QUESTIONS = ("what word is written here?", "what does the sign say?", "which word is in the image?")
FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif-Bold.ttf",
)


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _colours(rng: random.Random) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A dark and a light colour, in random order."""
    dark = tuple(rng.randint(0, 90) for _ in range(3))
    light = tuple(rng.randint(165, 255) for _ in range(3))
    return (dark, light) if rng.random() < 0.5 else (light, dark)


def render(word: str, rng: random.Random) -> Image.Image:
    """Draw one word on an 84 x 84 image: font, size, place, angle and colours from `rng`."""
    ink, paper = _colours(rng)
    name = rng.choice(FONTS)
    size = rng.randint(20, 25)
    left, top, right, bottom = _font(name, size).getbbox(word)
    while right - left > SIDE - 12:
        size -= 1
        left, top, right, bottom = _font(name, size).getbbox(word)
    image = Image.new("RGB", (SIDE, SIDE), paper)
    x = (SIDE - (right - left)) // 2 + rng.randint(-3, 3)
    y = (SIDE - (bottom - top)) // 2 + rng.randint(-6, 6)
    ImageDraw.Draw(image).text((x - left, y - top), word, fill=ink, font=_font(name, size))
    return image.rotate(rng.uniform(-4, 4), resample=Image.Resampling.BILINEAR, fillcolor=paper)


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
