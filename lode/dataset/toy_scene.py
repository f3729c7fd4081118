"""Coloured shapes in a room: the offline twin of a benchmark of everyday pictures (VQAv2).

A wall of a pale colour under a darker ledge; a thing is a filled circle, square, triangle or cross, small or large; an
outline is none. What is asked, and how, is in `lode/dataset/_toy_domain.py`. It measures counting and finding; kinds
and colours of shapes are never asked for.
"""

import random
from collections.abc import Iterator, Sequence

from PIL import ImageDraw

from lode.dataset import Sample
from lode.dataset._toy_domain import SIDE, TOP, Domain, Place, Thing, domain_samples
from lode.dataset._toy_shapes import COLOURS, SHAPES, draw_shape

HELD_OUT = "clusters"
OUTLINE = (165, 165, 170)


def paint(draw: ImageDraw.ImageDraw, things: Sequence[Thing], others: Sequence[Place], rng: random.Random) -> None:
    """A wall, a ledge, outlines of circles, and shapes."""
    wall = tuple(rng.randint(205, 245) for _ in range(3))
    draw.rectangle((0, 0, SIDE, SIDE), fill=wall)
    draw.rectangle((0, 0, SIDE, rng.randint(2, TOP - 4)), fill=tuple(level - 90 for level in wall))
    for x, y, r in others:
        draw.ellipse((x - r, y - r, x + r, y + r), outline=OUTLINE)
    for x, y, r, *_ in things:
        draw_shape(draw, rng.choice(SHAPES), COLOURS[rng.choice(list(COLOURS))], x, y, r)


DOMAIN = Domain("scene", "shape", "in this scene: ", paint, speckle=6.0)


def samples(split: str, num_samples: int, seed: int, prompts: str = "shared") -> Iterator[Sample]:
    """Yield samples of the split; arguments are those of `domain_samples`."""
    return domain_samples(DOMAIN, split, num_samples, seed, prompts)
