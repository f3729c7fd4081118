"""Boxes of a form: the offline twin of a document benchmark (DocVQA).

White paper with a title, rules and labels; a thing is a box with a cross in it, small or large; an empty box is none.
What is asked, and how, is in `lode/dataset/_toy_domain.py`. It measures counting and finding, not reading: title and
labels are dashes.
"""

import random
from collections.abc import Iterator, Sequence

from PIL import ImageDraw

from lode.dataset import Sample
from lode.dataset._toy_domain import SIDE, Domain, Place, Thing, domain_samples

HELD_OUT = "clusters"
INKS = ((25, 25, 35), (30, 40, 120))
RULE, LABEL = (205, 205, 210), (140, 140, 150)


def paint(draw: ImageDraw.ImageDraw, things: Sequence[Thing], others: Sequence[Place], rng: random.Random) -> None:
    """Paper with a title, rules under the rows, labels on them, and boxes, empty or with a cross."""
    paper = rng.randint(236, 250)
    draw.rectangle((0, 0, SIDE, SIDE), fill=(paper, paper, paper - 6))
    draw.line((3, 3, rng.randint(25, 48), 3), fill=LABEL, width=2)
    for y in (23, 39, 55):
        draw.line((2, y, SIDE - 3, y), fill=RULE)
        for x in (2, SIDE // 2 + 2):
            draw.line((x, y, x + rng.randint(5, 20), y), fill=LABEL)
    ink = rng.choice(INKS)
    for x, y, r in others:
        draw.rectangle((x - r, y - r, x + r, y + r), outline=ink)
    for x, y, r, *_ in things:
        draw.rectangle((x - r, y - r, x + r, y + r), outline=ink)
        draw.line((x - r + 1, y - r + 1, x + r - 1, y + r - 1), fill=ink, width=2)
        draw.line((x - r + 1, y + r - 1, x + r - 1, y - r + 1), fill=ink, width=2)


DOMAIN = Domain("form", "mark", "on this form: ", paint, speckle=4.0)


def samples(split: str, num_samples: int, seed: int, prompts: str = "shared") -> Iterator[Sample]:
    """Yield samples of the split; arguments are those of `domain_samples`."""
    return domain_samples(DOMAIN, split, num_samples, seed, prompts)
