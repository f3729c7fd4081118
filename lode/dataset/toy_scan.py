"""Bright spots in a grey slice: the offline twin of a medical benchmark (PMC-VQA).

A dim ellipse on black under a strip of marks, in grain; a thing is a bright spot, small or large, on either side; a
ring, dim as a bone's edge, is none. What is asked, and how, is in `lode/dataset/_toy_domain.py`. It measures counting
and finding, and no knowledge of bodies; left is that of the picture, not of a patient.
"""

import random
from collections.abc import Iterator, Sequence

from PIL import ImageDraw

from lode.dataset import Sample
from lode.dataset._toy_domain import SIDE, TOP, Domain, Place, Thing, domain_samples

HELD_OUT = "clusters"
SPOT = (170, 235)
RING = (95, 115)


def _grey(level: int) -> tuple[int, int, int]:
    return level, level, level


def paint(draw: ImageDraw.ImageDraw, things: Sequence[Thing], others: Sequence[Place], rng: random.Random) -> None:
    """A slice, marks above it, rings, and spots a little higher or wider than round."""
    draw.rectangle((0, 0, SIDE, SIDE), fill=_grey(8))
    draw.ellipse((rng.randint(-8, 0), TOP, SIDE + rng.randint(0, 8), SIDE + 4), fill=_grey(rng.randint(40, 60)))
    for x in range(rng.randint(2, 6), SIDE - 4, rng.randint(5, 8)):
        draw.line((x, 2, x + 2, 2), fill=_grey(150))
    for x, y, r in others:
        draw.ellipse((x - r, y - r, x + r, y + r), outline=_grey(rng.randint(*RING)))
    for x, y, r, *_ in things:
        draw.ellipse((x - r, y - r + rng.randint(0, 1), x + r, y + r), fill=_grey(rng.randint(*SPOT)))


DOMAIN = Domain("scan", "spot", "in this scan: ", paint, speckle=10.0)


def samples(split: str, num_samples: int, seed: int, prompts: str = "shared") -> Iterator[Sample]:
    """Yield samples of the split; arguments are those of `domain_samples`."""
    return domain_samples(DOMAIN, split, num_samples, seed, prompts)
