"""Coloured shapes, drawn."""

from PIL import ImageDraw

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (50, 80, 220),
    "yellow": (235, 205, 40),
    "purple": (140, 50, 170),
    "black": (25, 25, 25),
}
SHAPES = ("circle", "square", "triangle", "cross")


def draw_shape(draw: ImageDraw.ImageDraw, shape: str, colour: tuple[int, ...], x: int, y: int, r: int) -> None:
    """Draw one shape of half-width `r` pixels centred at (x, y)."""
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    else:
        third = max(2, r // 3)
        draw.rectangle((x - r, y - third, x + r, y + third), fill=colour)
        draw.rectangle((x - third, y - r, x + third, y + r), fill=colour)
