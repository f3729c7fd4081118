"""Windows of neighbouring layers in which attention is cut, and what a plan of cuts costs. No torch here."""

from collections.abc import Sequence
from typing import NamedTuple

#: Widths by name: one layer; about 9 of 32 (Geva et al. 2023, arXiv 2304.14767, who cut so many); all layers.
WIDTHS = ("one", "some", "all")
SHARE, LEAST = 0.28, 3


class Window(NamedTuple):
    """Layers `first` to `first + width - 1`."""

    width: int
    first: int

    @property
    def layers(self) -> range:
        """Counted from 0."""
        return range(self.first, self.first + self.width)


class Cut(NamedTuple):
    """What one pass cuts: the edges from source to target in a window, or a draw of as many others."""

    source: str
    target: str
    window: Window
    draw: int = -1


def width_of(name: str, num_layers: int) -> int:
    """How many layers a window has: 1, max(3, 0.28 of all), or all; never more than there are."""
    return {"one": 1, "some": min(num_layers, max(LEAST, round(SHARE * num_layers))), "all": num_layers}[name]


def windows_of(names: Sequence[str], num_layers: int) -> list[Window]:
    """Every window of these widths that lies within the layers, the narrowest first; of equal widths one."""
    widths = sorted({width_of(name, num_layers) for name in names})
    return [Window(width, first) for width in widths for first in range(num_layers - width + 1)]


def cuts_of(
    pairs: Sequence[Sequence[str]],
    windows: Sequence[Window],
    num_layers: int,
    num_controls: int,
    num_window_controls: int,
) -> list[Cut]:
    """Every pass: of each pair and window the edges themselves, and their controls.

    Args:
        pairs: (source, target).
        windows: where.
        num_layers: of the language model.
        num_controls: of each pair cut in all layers.
        num_window_controls: of each pair cut in fewer.
    """
    return [
        Cut(source, target, window, draw)
        for source, target in pairs
        for window in windows
        for draw in range(-1, num_controls if window.width == num_layers else num_window_controls)
    ]
