"""Nearest tokens: values by hand, draws."""

import numpy as np
import pytest

from lode.statistics.reach import Tokens, longest_run, matched_draws, reach


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


def test_draws_are_matched() -> None:
    """Tokens at the end of prompts, of a common id, are matched to those of the bank that are there too."""
    rng = np.random.default_rng(5)
    bank = Tokens(rng.normal(size=(200, 2)), np.arange(200), np.arange(200), np.arange(200))
    late = Tokens(rng.normal(size=(10, 2)), np.arange(10), np.arange(1000, 1010), np.arange(190, 200))
    draws = matched_draws(late, bank, 50, 1)
    assert draws.shape == (50, 10)
    assert bank.positions[draws].min() >= 170
    common = bank._replace(ids=np.where(np.arange(200) % 2, 5, np.arange(200) + 10))
    frequent = late._replace(ids=np.full(10, 5))
    assert (common.ids[matched_draws(frequent, common, 50, 1)] == 5).mean() > 0.9


def test_the_longest_run() -> None:
    assert longest_run(np.array([True, False, True, True, False])) == 2
    assert longest_run(np.array([False])) == 0
