"""Houses from above: the offline twin of a remote-sensing benchmark (RS-VQA).

Green land with two crossing roads and water at its upper edge; a thing is a house with a flat roof and a shadow, small
or large; a pond is none. What is asked, and how, is in `lode/dataset/_toy_domain.py`. It measures counting and finding,
not the reading of maps: roads and water are never asked for.
"""

import random
from collections.abc import Iterator, Sequence

from PIL import ImageDraw

from lode.dataset import Sample
from lode.dataset._toy_domain import SIDE, TOP, Domain, Place, Thing, domain_samples

HELD_OUT = "clusters"
ROOFS = ((190, 85, 60), (215, 210, 205), (150, 60, 110))
WATER, ROAD, SHADOW = (50, 95, 165), (125, 125, 120), (25, 40, 25)


def paint(draw: ImageDraw.ImageDraw, things: Sequence[Thing], others: Sequence[Place], rng: random.Random) -> None:
    """Land, water along the upper edge, two roads, ponds, and houses."""
    draw.rectangle((0, 0, SIDE, SIDE), fill=(rng.randint(70, 95), rng.randint(125, 150), rng.randint(60, 85)))
    shore = [(x, rng.randint(TOP - 5, TOP - 2)) for x in range(0, SIDE + 8, 8)]
    draw.polygon([(0, 0), *shore, (SIDE, 0)], fill=WATER)
    draw.line((SIDE // 2, TOP, SIDE // 2, SIDE), fill=ROAD)
    across = rng.choice((23, 39))
    draw.line((0, across, SIDE, across), fill=ROAD)
    for x, y, r in others:
        draw.ellipse((x - r, y - r + 1, x + r, y + r - 1), fill=WATER)
    for x, y, r, *_ in things:
        draw.rectangle((x - r + 1, y - r + 1, x + r, y + r), fill=SHADOW)
        draw.rectangle((x - r, y - r, x + r, y + r - 1), fill=rng.choice(ROOFS))


DOMAIN = Domain("aerial", "house", "seen from above: ", paint, speckle=7.0)


def samples(split: str, num_samples: int, seed: int, prompts: str = "shared") -> Iterator[Sample]:
    """Yield samples of the split; arguments are those of `domain_samples`."""
    return domain_samples(DOMAIN, split, num_samples, seed, prompts)
