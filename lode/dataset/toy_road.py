"""Cars on a road, seen from the driver's seat: the offline twin of a driving benchmark (LingoQA).

Two lanes under a strip of sky with a traffic light, which is red or green and never asked for; a thing is a car, small
or large, in either lane; a manhole is none. What is asked, and how, is in `lode/dataset/_toy_domain.py`. It measures
counting and finding, not driving: nothing moves, and near cars are no larger than far ones.
"""

import random
from collections.abc import Iterator, Sequence

from PIL import ImageDraw

from lode.dataset import Sample
from lode.dataset._toy_domain import SIDE, TOP, Domain, Place, Thing, domain_samples

HELD_OUT = "clusters"
CARS = ((205, 45, 40), (45, 75, 205), (235, 200, 45))
LIGHTS = ((250, 40, 40), (40, 220, 90))
LINE, MANHOLE, GLASS = (225, 225, 225), (55, 55, 60), (25, 30, 40)


def draw_car(draw: ImageDraw.ImageDraw, car: Thing, colour: tuple[int, ...]) -> None:
    """A body with a cabin on it; the wheels, and the window of a large one, are dark."""
    x, y, r = car[:3]
    draw.rectangle((x - r, y - r // 2, x + r, y + r), fill=colour)
    draw.rectangle((x - r // 2, y - r, x + r // 2, y), fill=colour)
    if car.size == "large":
        draw.rectangle((x - 1, y - r + 1, x + 1, y - r + 2), fill=GLASS)
    for wheel in (x - r + 1, x + r - 1):
        draw.point((wheel, y + r), fill=GLASS)


def paint(draw: ImageDraw.ImageDraw, things: Sequence[Thing], others: Sequence[Place], rng: random.Random) -> None:
    """A sky with a light, two lanes with a dashed line between them, manholes, and cars."""
    grey = rng.randint(95, 125)
    draw.rectangle((0, 0, SIDE, SIDE), fill=(grey, grey, grey + 5))
    draw.rectangle((0, 0, SIDE, TOP - 2), fill=(150, 190, rng.randint(220, 250)))
    light = rng.randint(6, SIDE - 6)
    draw.ellipse((light - 2, 1, light + 2, 5), fill=rng.choice(LIGHTS))
    for y in range(TOP + rng.randint(0, 5), SIDE, 8):
        draw.line((SIDE // 2, y, SIDE // 2, y + 3), fill=LINE)
    draw.line((SIDE // 2 - 6, TOP - 1, 0, SIDE - 1), fill=LINE)
    draw.line((SIDE // 2 + 6, TOP - 1, SIDE - 1, SIDE - 1), fill=LINE)
    for x, y, r in others:
        draw.ellipse((x - r, y - r // 2, x + r, y + r // 2), fill=MANHOLE)
    for car in things:
        draw_car(draw, car, rng.choice(CARS))


DOMAIN = Domain("road", "car", "on this road: ", paint, speckle=6.0)


def samples(split: str, num_samples: int, seed: int, prompts: str = "shared") -> Iterator[Sample]:
    """Yield samples of the split; arguments are those of `domain_samples`."""
    return domain_samples(DOMAIN, split, num_samples, seed, prompts)
