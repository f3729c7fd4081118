"""Windows of layers, and how many passes a plan of cuts takes."""

import pytest

from lode.config import CutConfig
from lode.model.windows import Cut, Window, cuts_of, pairs_held, width_of, windows_of


@pytest.mark.parametrize(("num_layers", "some"), [(1, 1), (2, 2), (6, 3), (12, 3), (28, 8), (32, 9), (80, 22)])
def test_widths(num_layers: int, some: int) -> None:
    assert [width_of(name, num_layers) for name in ("one", "some", "all")] == [1, some, num_layers]


def test_windows_of_six_layers() -> None:
    """Six of one, four of three, and one of all; every window within the layers."""
    found = windows_of(["one", "some", "all"], 6)
    assert found == [*(Window(1, at) for at in range(6)), *(Window(3, at) for at in range(4)), Window(6, 0)]
    assert found[8].layers == range(2, 5)
    assert windows_of(["all", "some"], 2) == [Window(2, 0)], "of equal widths one"


def test_passes_of_the_default_plan() -> None:
    """Six pairs, ten narrow windows of 1 + 3 passes and one of 1 + 20; `before`, eleven without controls."""
    cfg = CutConfig()
    windows = windows_of(cfg.windows, 6)
    found = cuts_of(cfg.pairs, windows, 6, cfg.num_controls, cfg.num_window_controls)
    assert len(found) == len(set(found)) == 6 * 61 + 11
    assert found[0] == Cut("media", "last", Window(1, 0))
    assert sum(cut.draw < 0 for cut in found) == 77
    assert {cut.draw for cut in found if cut.source == "before"} == {-1}


@pytest.mark.parametrize(
    ("media", "kept"),
    [
        ([], ["text"]),
        (["image"], ["media", "image", "text"]),
        (["audio"], ["media", "text"]),
        (["image", "video"], ["media", "image", "video", "text"]),
    ],
)
def test_pairs_without_edges_are_left_out(media: list[str], kept: list[str]) -> None:
    names = ("media", "image", "video", "text")
    for pairs in ([(name, "last") for name in names], [("special", name) for name in names]):
        left = [pair for pair, name in zip(pairs, names, strict=True) if name in kept]
        assert pairs_held(pairs, media) == left
