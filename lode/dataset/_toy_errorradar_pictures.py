"""The pictures of made-up problems: 112 x 112 pixels, every fact a number, drawn with the fonts of matplotlib."""

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from lode.dataset._toy_errorradar import Facts

SIDE = 112
#: Height of the numbers [pixels].
SIZE = 20
COLOURS = {"red": (220, 60, 60), "green": (60, 170, 80), "blue": (80, 110, 230)}
Canvas = ImageDraw.ImageDraw


@cache
def font(size: int = SIZE) -> ImageFont.FreeTypeFont:
    """A bold font."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"), size)


def render(problem_type: str, facts: Facts, rng: random.Random) -> Image.Image:
    """Draw the facts of a problem; `rng` chooses paper, ink and place, so that no two pictures are the same."""
    paper, ink = (tuple(rng.randint(*of) for _ in range(3)) for of in ((225, 255), (0, 70)))
    image = Image.new("RGB", (SIDE, SIDE), paper)
    canvas = ImageDraw.Draw(image)
    x, y = rng.randint(-4, 4), rng.randint(-4, 4)
    _DRAW[problem_type](canvas, facts, x, y, ink)
    return image


def put(canvas: Canvas, x: int, y: int, text: object, ink: tuple[int, ...]) -> None:
    """Write a text around a point."""
    canvas.text((x, y), str(text), fill=ink, font=font(), anchor="mm")


def _plane(canvas: Canvas, facts: Facts, x: int, y: int, ink: tuple[int, ...]) -> None:
    """A rectangle, its length below and its width beside it."""
    canvas.rectangle((16 + x, 24 + y, 76 + x, 70 + y), outline=ink, width=2)
    put(canvas, 46 + x, 84 + y, facts["length"], ink)
    put(canvas, 90 + x, 47 + y, facts["width"], ink)


def _solid(canvas: Canvas, facts: Facts, x: int, y: int, ink: tuple[int, ...]) -> None:
    """A box: length below, width along the edge that goes back, height on the left."""
    near, far = (28 + x, 38 + y, 76 + x, 80 + y), (46 + x, 18 + y, 94 + x, 60 + y)
    for box in (near, far):
        canvas.rectangle(box, outline=ink, width=2)
    for i, j in ((0, 1), (2, 1), (0, 3), (2, 3)):
        canvas.line((near[i], near[j], far[i], far[j]), fill=ink, width=2)
    put(canvas, 52 + x, 95 + y, facts["length"], ink)
    put(canvas, 97 + x, 80 + y, facts["width"], ink)
    put(canvas, 14 + x, 60 + y, facts["height"], ink)


def _diagram(canvas: Canvas, facts: Facts, x: int, y: int, ink: tuple[int, ...]) -> None:
    """Three bars, as high as their numbers, which stand above them."""
    for place, name in enumerate(COLOURS):
        left, top = 12 + 32 * place + x, 92 - 7 * facts[name] + y
        canvas.rectangle((left, top, left + 22, 96 + y), fill=COLOURS[name])
        put(canvas, left + 11, top - 12, facts[name], ink)


def _algebra(canvas: Canvas, facts: Facts, x: int, y: int, ink: tuple[int, ...]) -> None:
    """An equation: the factor and x, plus the constant, is the result."""
    put(canvas, 54 + x, 40 + y, f"{facts['factor']}x + {facts['constant']}", ink)
    put(canvas, 54 + x, 72 + y, f"= {facts['result']}", ink)


def _commonsense(canvas: Canvas, facts: Facts, x: int, y: int, ink: tuple[int, ...]) -> None:
    """A small coin of 10 and a large one of 5, each with how many there are: a dime is smaller than a nickel."""
    for top, radius, coin, name in ((30, 15, "10", "dimes"), (78, 19, "5", "nickels")):
        canvas.ellipse((30 - radius + x, top - radius + y, 30 + radius + x, top + radius + y), outline=ink, width=2)
        canvas.text((30 + x, top + y), coin, fill=ink, font=font(14), anchor="mm")
        put(canvas, 80 + x, top + y, f"x {facts[name]}", ink)


_DRAW: dict[str, Callable[[Canvas, Facts, int, int, tuple[int, ...]], None]] = {
    "plane": _plane,
    "solid": _solid,
    "diagram": _diagram,
    "algebra": _algebra,
    "commonsense": _commonsense,
}
