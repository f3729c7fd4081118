"""Windows of neighbouring layers in which attention is cut, and what a plan of cuts costs. No torch here."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from lode.model.tokens import MEDIA

#: Widths by name: one layer; about 9 of 32 (Geva et al. 2023, arXiv 2304.14767, who cut so many); all layers.
WIDTHS = ("one", "some", "all")
SHARE, LEAST = 0.28, 3
#: Sources that are all of the prompt that a query sees: as many edges as theirs are theirs, so they have no controls.
WHOLE = ("before", "prompt")
#: All media, as a group of tokens.
ALL_MEDIA = "media"


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


def pairs_held(pairs: Sequence[Sequence[str]], media: Collection[str]) -> list[Sequence[str]]:
    """The pairs of which samples that show these kinds of medium can hold edges; a pass for others changes nothing."""
    lacking = {*(MEDIA if media else (*MEDIA, ALL_MEDIA))} - set(media)
    return [pair for pair in pairs if not lacking & set(pair)]


def cuts_of(
    pairs: Sequence[Sequence[str]],
    windows: Sequence[Window],
    num_layers: int,
    num_controls: int,
    num_window_controls: int,
) -> list[Cut]:
    """Every pass but the one with nothing cut: of each pair and window the edges themselves, and their controls.

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
        for draw in range(-1, draws_of(source, window.width == num_layers, num_controls, num_window_controls))
    ]


def draws_of(source: str, everywhere: bool, num_controls: int, num_window_controls: int) -> int:
    """How many controls a pair has in a window."""
    return 0 if source in WHOLE else num_controls if everywhere else num_window_controls
