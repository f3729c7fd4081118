"""Two coloured shapes: the offline twin of COCO captions.

The prompt asks for one short caption and shows two (the paper shows four), or none with `shots: false`. A scene has two
shapes, one left of or above the other; the references say so in five ways, as COCO has five captions an image.
"""

import random
from collections.abc import Iterator
from itertools import product

from PIL import Image, ImageDraw

from lode.dataset import Sample, only_split
from lode.dataset._splits import word_of
from lode.dataset._toy_shapes import COLOURS, SHAPES, draw_shape
from lode.media import encode_image

HELD_OUT = "clusters"
SIDE = 84
RELATIONS = {"above": "below", "left of": "right of"}
PROMPT = "Write one short caption, like: a red cross above a blue circle; a green square left of a black cross."
SHORT_PROMPT = "Describe the picture in one short sentence."


def render(first: tuple[str, str], second: tuple[str, str], relation: str, rng: random.Random) -> Image.Image:
    """Draw two (colour, shape) pairs on an 84 x 84 image, the first above or left of the second."""
    shade = rng.randint(200, 255)
    image = Image.new("RGB", (SIDE, SIDE), (shade, shade, shade))
    draw = ImageDraw.Draw(image)
    for near, (colour, shape) in zip((True, False), (first, second), strict=True):
        radius = rng.randint(8, 15)
        along = rng.randint(18, 24) if near else rng.randint(60, 66)
        across = rng.randint(20, 64)
        x, y = (across, along) if relation == "above" else (along, across)
        draw_shape(draw, shape, COLOURS[colour], x, y, radius)
    return image


def _references(first: str, second: str, relation: str) -> tuple[str, ...]:
    back = RELATIONS[relation]
    return (
        f"a {first} {relation} a {second}",
        f"a {second} {back} a {first}",
        f"the {first} is {relation} the {second}",
        f"the {second} is {back} the {first}",
        f"a {first} and a {second}",
    )


def _candidates(split: str, seed: int, prompt: str) -> Iterator[tuple[str, Sample]]:
    rng = random.Random(f"toy_caption|{seed}|{word_of(split)}")
    objects = list(product(COLOURS, SHAPES))
    while True:
        first, second = rng.sample(objects, 2)
        relation, drawing = rng.choice(list(RELATIONS)), rng.getrandbits(48)
        content = f"{first}|{second}|{relation}|{drawing}"
        image = encode_image(render(first, second, relation, random.Random(content)))
        name = f"toy_caption-{drawing:012x}"
        answers = _references(" ".join(first), " ".join(second), relation)
        meta: dict[str, object] = {"objects": [*first, *second]}
        yield content, Sample(name, name, split, prompt, answers, (image,), meta=meta)


def samples(split: str, num_samples: int, seed: int, shots: bool = True) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine.

    Args:
        split: `train`, `mine` or `test`.
        num_samples: how many.
        seed: of scenes and drawings.
        shots: show captions in the prompt; pictures and answers do not depend on it.
    """
    return only_split(_candidates(split, seed, PROMPT if shots else SHORT_PROMPT), split, num_samples, seed)
