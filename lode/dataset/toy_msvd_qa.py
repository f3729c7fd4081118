"""Moving shapes: the offline twin of MSVD-QA.

A video of 4 to 8 frames, one a second, shows two shapes: one moves left, right, up or down, the other stays. The
questions ask which way, and which shape; no single frame answers either. The prompt has the paper's form.
"""

import random
from collections.abc import Iterator

from PIL import Image, ImageDraw

from lode.dataset import Sample, only_split
from lode.dataset._splits import word_of
from lode.dataset._toy_shapes import COLOURS, SHAPES, draw_shape
from lode.media import encode_video

HELD_OUT = "clusters"
SIDE = 56
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
QUESTIONS = {
    "direction": ("which way does the shape move?", "in which direction does it move?"),
    "shape": ("which shape moves?", "what is moving?"),
}
INSTRUCTION = "\nAnswer the question using a single word or phrase."


def _path(direction: str, num_frames: int, rng: random.Random) -> list[tuple[int, int]]:
    """Places of the moving shape, half of the image or more apart from first to last."""
    dx, dy = DIRECTIONS[direction]
    travel, across = rng.uniform(28, 38), rng.uniform(10, 46)
    along = [28 + (dx + dy) * travel * (number / (num_frames - 1) - 0.5) for number in range(num_frames)]
    return [(round(a), round(across)) if dx else (round(across), round(a)) for a in along]


def _free_place(path: list[tuple[int, int]], rng: random.Random) -> tuple[int, int]:
    """A place that the path keeps away from."""
    while True:
        x, y = rng.randint(8, 48), rng.randint(8, 48)
        if all(max(abs(x - a), abs(y - b)) > 15 for a, b in path):
            return x, y


def render(moving: str, still: str, direction: str, rng: random.Random) -> list[Image.Image]:
    """Draw 4 to 8 frames of 56 x 56 pixels: two shapes of like size, one of which moves."""
    num_frames, shade = rng.randint(4, 8), rng.randint(200, 255)
    colours = rng.sample(list(COLOURS.values()), 2)
    radii = rng.randint(6, 8), rng.randint(6, 8)
    path = _path(direction, num_frames, rng)
    place = _free_place(path, rng)
    frames = []
    for x, y in path:
        frame = Image.new("RGB", (SIDE, SIDE), (shade, shade, shade))
        draw = ImageDraw.Draw(frame)
        draw_shape(draw, still, colours[0], *place, radii[0])
        draw_shape(draw, moving, colours[1], x, y, radii[1])
        frames.append(frame)
    return frames


def _candidates(split: str, seed: int) -> Iterator[tuple[str, Sample]]:
    rng = random.Random(f"toy_msvd_qa|{seed}|{word_of(split)}")
    while True:
        moving, still = rng.sample(SHAPES, 2)
        direction, drawing = rng.choice(list(DIRECTIONS)), rng.getrandbits(48)
        kind = rng.choice(list(QUESTIONS))
        content = f"{moving}|{still}|{direction}|{drawing}"
        video = encode_video(render(moving, still, direction, random.Random(content)), rate=1)
        name = f"toy_msvd_qa-{drawing:012x}"
        prompt = rng.choice(QUESTIONS[kind]) + INSTRUCTION
        answer = direction if kind == "direction" else moving
        yield content, Sample(name, name, split, prompt, (answer,), (video,), meta={"kind": kind})


def samples(split: str, num_samples: int, seed: int) -> Iterator[Sample]:
    """Yield samples of the split; equal arguments give equal bytes on one machine."""
    return only_split(_candidates(split, seed), split, num_samples, seed)
