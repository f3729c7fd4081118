"""Nearest tokens: values by hand, draws."""

import numpy as np
import pytest

from lode.statistics.reach import Tokens, drawn_labels, longest_run, reach, reach_of_units, relabelled


def tokens(states: list[list[float]], clusters: list[str], ids: list[int]) -> Tokens:
    return Tokens(np.array(states, dtype=float), np.array(clusters), np.array(ids), np.arange(len(ids)))


def test_reach_by_hand() -> None:
    """The nearest of another sample and another id; duplicates of one sample change nothing."""
    query = tokens([[1, 0]], ["s"], [7])
    assert reach(query, tokens([[2, 0]], ["t"], [8]))[0] == 1
    bank = tokens([[2, 0], [1, 1], [0, 1]], ["t", "u", "v"], [7, 8, 9])
    assert reach(query, bank)[0] == pytest.approx(np.sqrt(0.5))
    same = tokens([[2, 0], [1, 1], [0, 1], [1, 0], [1, 0]], ["t", "u", "v", "s", "s"], [7, 8, 9, 10, 11])
    assert reach(query, same)[0] == pytest.approx(np.sqrt(0.5))
    assert np.isnan(reach(query, tokens([[1, 0]], ["s"], [8]))[0])
    medium = tokens([[1, 0]], ["s"], [-1])
    assert reach(medium, tokens([[2, 0]], ["t"], [-1]))[0] == 1


def test_relabelled_indices_by_slow_versions() -> None:
    """Every draw by `reach` of its group to its bank; an id of both groups is no neighbour of itself."""
    rng = np.random.default_rng(5)
    ids = np.concatenate([rng.integers(7, size=40), np.full(10, -1)])
    both = Tokens(rng.normal(size=(50, 6)), rng.integers(8, size=50), ids, np.arange(50))
    units = np.unique(ids, return_inverse=True)[1]
    draws = drawn_labels(8, 3, 20, 1)
    assert (draws.sum(1) == 3).all()
    assert len(np.unique(draws, axis=0)) > 10
    found = relabelled(reach_of_units(both, units), units, draws)
    for value, draw in zip(found, draws, strict=True):
        own = draw[units]
        group, bank = (Tokens(*(of[side] for of in both)) for side in (own, ~own))
        words = [reach(Tokens(*(of[bank.ids == each] for of in bank)),
                       Tokens(*(of[bank.ids != each] for of in bank))) for each in np.unique(bank.ids)]  # fmt: skip
        assert value == pytest.approx(reach(group, bank).mean() - np.concatenate(words).mean())


def test_the_longest_run() -> None:
    assert longest_run(np.array([True, False, True, True, False])) == 2
    assert longest_run(np.array([False])) == 0
