"""A word on a small picture, drawn with the fonts of matplotlib."""

import random
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

SIDE = 84
FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif-Bold.ttf",
)


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A font of matplotlib at a size [pixels]."""
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
    left, top, right, bottom = font(name, size).getbbox(word)
    while right - left > SIDE - 12:
        size -= 1
        left, top, right, bottom = font(name, size).getbbox(word)
    image = Image.new("RGB", (SIDE, SIDE), paper)
    x = (SIDE - (right - left)) // 2 + rng.randint(-3, 3)
    y = (SIDE - (bottom - top)) // 2 + rng.randint(-6, 6)
    ImageDraw.Draw(image).text((x - left, y - top), word, fill=ink, font=font(name, size))
    return image.rotate(rng.uniform(-4, 4), resample=Image.Resampling.BILINEAR, fillcolor=paper)
