"""Stability, split-half reliability and agreement of selections: values worked by hand, scipy as oracle."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from lode.engine.errors import UserError
from lode.statistics.stability import (
    agreement,
    chance_jaccard,
    halves,
    jaccard,
    nested,
    rank_correlation,
    shared_rank_correlation,
    spearman_brown,
    split_half,
    stability,
)


def pairs(*items: tuple[int, int]) -> np.ndarray:
    return np.array(items, dtype=np.int64).reshape(-1, 2)


A = pairs((0, 1), (0, 2), (1, 1))
B = pairs((1, 1), (0, 1), (2, 5))


def test_jaccard_by_hand() -> None:
    assert jaccard(A, B) == 2 / 4
    assert jaccard(A, A[::-1]) == 1
    assert jaccard(A, pairs((1, 0), (2, 0))) == 0
    assert jaccard(A, pairs()) == 0
    assert np.isnan(jaccard(pairs(), pairs()))


def test_chance_jaccard() -> None:
    # 20 and 20 of 1000: 0.4 shared, over 39.6. And the mean of 2000 random pairs of sets of that size.
    assert chance_jaccard(20, 20, 1000) == pytest.approx(0.4 / 39.6)
    rng = np.random.default_rng(0)
    draws = [pairs(*[(0, n) for n in rng.choice(200, 40, replace=False)]) for _ in range(800)]
    mean = np.mean([jaccard(one, other) for one, other in zip(draws[::2], draws[1::2], strict=True)])
    assert mean == pytest.approx(chance_jaccard(40, 40, 200), abs=0.01)


def test_stability_by_hand() -> None:
    full = {"text": A, "image": B}
    parts = {10: {"text": B, "image": B}, 30: {"text": A, "image": A}}
    assert stability(full, parts) == {10: {"text": 0.5, "image": 1.0}, 30: {"text": 1.0, "image": 0.5}}


def test_first_shards_are_nested_sub_samples() -> None:
    assert nested([10] * 10, [10, 30, 100]) == {10: 1, 30: 3, 100: 10}
    assert nested([4, 3, 3], [7, 10]) == {7: 2, 10: 3}
    with pytest.raises(UserError, match=r"no first shards hold 30 samples; 2 shards make sub-samples of 50, 100"):
        nested([50, 50], [30])


def test_halves_are_equal_and_disjoint() -> None:
    assert halves(4) == ([0, 2], [1, 3])
    assert halves(5) == ([0, 2], [1, 3])
    with pytest.raises(UserError, match="cannot be halved"):
        halves(1)


def test_spearman_brown_by_hand() -> None:
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(1.0) == 1
    assert spearman_brown(-0.3) == -0.3
    assert np.isnan(spearman_brown(float("nan")))


def test_split_half_equals_scipy() -> None:
    rng = np.random.default_rng(1)
    one, noise = rng.normal(size=(2, 3, 50)), rng.normal(size=(2, 3, 50))
    other = np.round(one + noise, 1)  # with ties
    for modality, result in enumerate(split_half(one, other)):
        expected = spearmanr(one[modality].ravel(), other[modality].ravel()).statistic
        assert 0.4 < expected < 0.9
        assert result.correlation == pytest.approx(expected)
        assert result.corrected == pytest.approx(2 * expected / (1 + expected))


def test_split_half_takes_scores_that_are_never_chosen() -> None:
    one = np.array([[[3.0, 2.0, -np.inf, -np.inf]]])
    other = np.array([[[1.0, 5.0, -np.inf, -np.inf]]])
    # Ranks 4 3 1.5 1.5 and 3 4 1.5 1.5: deviations 1.5 0.5 -1 -1 and 0.5 1.5 -1 -1: (0.75 + 0.75 + 2) / 4.5.
    assert split_half(one, other)[0].correlation == pytest.approx(3.5 / 4.5)


def test_rank_correlation_of_a_constant_is_undefined() -> None:
    assert np.isnan(rank_correlation(np.ones(4), np.arange(4.0)))
    assert np.isnan(rank_correlation(np.ones(1), np.ones(1)))


def test_shared_rank_correlation_by_hand() -> None:
    one = pairs((0, 0), (0, 1), (0, 2), (0, 3), (9, 9))
    other = pairs((0, 0), (8, 8), (0, 2), (0, 1), (0, 3))
    # Shared 0 1 2 3 at places 0 1 2 3 and 0 3 2 4: one swapped pair of four, 1 - 6 * 2 / 60 = 0.8.
    assert shared_rank_correlation(one, other) == pytest.approx(0.8)
    assert np.isnan(shared_rank_correlation(one, pairs((0, 0), (0, 1))))


def test_agreement_is_a_matrix() -> None:
    overlap, order = agreement([A, B, pairs()])
    np.testing.assert_array_equal(overlap, [[1, 0.5, 0], [0.5, 1, 0], [0, 0, np.nan]])
    np.testing.assert_allclose(order, [[1, np.nan, np.nan], [np.nan, 1, np.nan], [np.nan] * 3])
