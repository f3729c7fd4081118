"""Letters typed on a small picture: one font of one width, dark on light, somewhere about the middle."""

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from lode.dataset._toy_signs import SIDE, font

#: All letters of this font are equally wide, and eight of them at this size are narrower than a picture.
FONT, SIZE = "DejaVuSansMono-Bold.ttf", 16
#: Side of the cells into which a picture is divided to say where letters are [pixels], and what stands for no letter.
CELL, NOTHING = 7, "."


@dataclass(frozen=True)
class Typed:
    """Where on a picture letters are, and in which colours.

    Attributes:
        letters: in one line.
        left, top: of the line [pixels].
        ink, paper: red, green and blue, 0 to 255.
    """

    letters: str
    left: int
    top: int
    ink: tuple[int, ...]
    paper: tuple[int, ...]

    def draw(self) -> Image.Image:
        """The picture, `SIDE` x `SIDE`."""
        image = Image.new("RGB", (SIDE, SIDE), self.paper)
        ImageDraw.Draw(image).text((self.left, self.top), self.letters, fill=self.ink, font=font(FONT, SIZE))
        return image

    def cells(self) -> list[str]:
        """The letter at the middle of every cell, row by row; `NOTHING` where there is none."""
        middles = [CELL * (step + 0.5) for step in range(SIDE // CELL)]
        _, top, _, bottom = font(FONT, SIZE).getbbox(self.letters)
        return [
            self._letter_at(x) if self.top + top <= y < self.top + bottom else NOTHING for y in middles for x in middles
        ]

    def _letter_at(self, x: float) -> str:
        place = int((x - self.left) // font(FONT, SIZE).getlength("x"))
        return self.letters[place] if 0 <= place < len(self.letters) else NOTHING


def typed(letters: str, rng: random.Random) -> Typed:
    """Letters in a place and colours of `rng`; at most eight have room."""
    left, top, right, bottom = font(FONT, SIZE).getbbox(letters)
    x = (SIDE - (right - left)) // 2 + rng.randint(-3, 3)
    y = (SIDE - (bottom - top)) // 2 + rng.randint(-6, 6)
    ink, paper = (tuple(rng.randint(*span) for _ in range(3)) for span in ((0, 90), (165, 255)))
    return Typed(letters, int(x - left), int(y - top), ink, paper)
