"""Typed letters are where it is said that they are, in one split for good, and within the picture."""

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from lode.dataset import toy_letters
from lode.dataset._common_words import pronunciations
from lode.dataset._toy_signs import SIDE
from lode.dataset._typed import CELL, NOTHING, Typed, typed

SPLITS = ("train", "mine", "test")
CELLS = SIDE // CELL


def ink_of(line: Typed) -> np.ndarray:
    """Which pixels are darker than halfway from paper to ink."""
    picture = np.asarray(line.draw()).astype(float).sum(-1)
    return picture < (sum(line.ink) + sum(line.paper)) / 2


def test_a_letter_is_said_where_it_is_by_hand() -> None:
    cells = Typed("ab", 14, 0, (0, 0, 0), (255, 255, 255)).cells()
    grid = ["".join(cells[row * CELLS : (row + 1) * CELLS]) for row in range(CELLS)]
    # Letters are 9.63 pixels wide: a from 14 to 23.6, b to 33.3; middles of cells are 17.5, 24.5, 31.5.
    assert {row.strip(NOTHING) for row in grid} == {"abb", ""}
    assert all(row in ("." * CELLS, "..abb.......") for row in grid)
    assert 1 <= sum(row != "." * CELLS for row in grid) <= 3


@pytest.mark.parametrize("letters", ["m", "lake", "wwwwwwww", "regards"])
def test_ink_lies_in_the_cells_that_are_said_to_hold_letters(letters: str) -> None:
    for seed in range(20):
        line = typed(letters, random.Random(seed))
        ink = ink_of(line)
        assert ink.sum() == ink_of(replace(line, left=4, top=30)).sum(), "cut off"
        held = np.array(line.cells()).reshape(CELLS, CELLS) != NOTHING
        near = (
            maximum_filter(np.kron(held, np.ones((CELL, CELL))), CELL + 1) > 0
        )  # a letter is said at middles of cells
        assert not (ink & ~near).any()
        assert set(line.cells()) == {NOTHING, *letters}


def test_eight_letters_have_room_and_words_have_no_more() -> None:
    assert max(map(len, pronunciations())) == toy_letters.MOST == 8


def test_no_letters_in_a_row_are_in_two_splits_and_all_lengths_come() -> None:
    drawn = {split: list(toy_letters.samples(split, 300, 2024)) for split in SPLITS}
    held = {split: {sample.cluster_id for sample in pool} for split, pool in drawn.items()}
    assert sum(map(len, held.values())) == len(set().union(*held.values()))
    assert {len(letters) for letters in held["train"]} == set(range(1, 9))
    for sample in drawn["test"][:20]:
        assert sample.answers == (" ".join(sample.cluster_id),)
        assert len(str(sample.meta["places"])) == CELLS**2
    assert [s.sample_id for s in drawn["test"][:9]] == [s.sample_id for s in toy_letters.samples("test", 9, 2024)]
