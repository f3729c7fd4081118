"""The letterbox of a picture by plain geometry, in exact fractions: which patches of its tiles show the picture."""

from collections.abc import Sequence
from fractions import Fraction

#: Height and width [pixels].
Size = Sequence[int]


def best(size: Size, resolutions: Sequence[Size]) -> Size:
    """The resolution on which most of the picture's pixels find room; of several that with the least to spare."""
    height, width = size
    rated = []
    for high, wide in resolutions:
        scale = min(wide / width, high / height)
        room = min(int(width * scale) * int(height * scale), width * height)
        rated.append((-room, high * wide - room, len(rated)))
    return resolutions[min(rated)[2]]


def spans(length: int, scale: Fraction, whole: int, patch: Fraction) -> list[Fraction]:
    """The share of every patch along one side that a picture in the middle of it covers.

    Args:
        length: of the picture [pixels].
        scale: by which it is scaled.
        whole: length of the side [pixels].
        patch: length of a patch [pixels].
    """
    first = (whole - length * scale) / 2
    last = first + length * scale
    starts = [patch * place for place in range(int(whole / patch))]
    return [max(Fraction(0), min(last, start + patch) - max(first, start)) / patch for start in starts]


def slow_rows(size: Size, resolutions: Sequence[Size], tile: int, patch: int, class_row: bool = False) -> list[bool]:
    """Row by row of a picture, the whole first, then its tiles: at least half of its height and width is picture.

    A class row, before the patches of each, counts where one of them does. A tile that is no whole number of patches is
    taken for as many as it has, a little larger.
    """
    (high, wide), side = best(size, resolutions), tile // patch
    length_of = Fraction(tile, side)
    scale = min(Fraction(high, size[0]), Fraction(wide, size[1]))
    down, across = (spans(length, scale, whole, length_of) for length, whole in zip(size, (high, wide), strict=True))
    views = [[True] * side**2]
    for top in range(0, len(down), side):
        for left in range(0, len(across), side):
            places = [(top + row, left + column) for row in range(side) for column in range(side)]
            views.append([min(down[y], across[x]) >= Fraction(1, 2) for y, x in places])
    return [row for view in views for row in ([any(view), *view] if class_row else view)]
