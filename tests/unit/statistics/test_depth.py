"""Where in depth a set sits: centre and chi-square by hand, uniform draws, and when a side is told."""

import numpy as np
import pytest
from scipy.stats import chisquare

from lode.statistics.depth import Uniform, agreed, centre, chi_square, interval, side, uniform_draws


def test_centre_and_chi_square_by_hand() -> None:
    """Four layers with 6, 2, 0 and 0 of 8 neurons: centre 2 / 8; (16 + 0 + 4 + 4) / 2 = 12."""
    counts = np.array([6, 2, 0, 0])
    assert centre(counts) == 0.25
    assert chi_square(counts) == 12
    assert chi_square(counts) == pytest.approx(chisquare(counts).statistic)
    assert chi_square(np.array([2, 2, 2, 2])) == 0
    assert centre(np.array([0.5, 0.0, 0.5])) == 1
    assert np.isnan(centre(np.array([0, 0, 0])))
    np.testing.assert_array_equal(centre(np.array([[1, 0], [0, 4], [2, 2]])), [0, 1, 0.5])


def test_sets_of_permuted_layers_have_the_middle_as_centre() -> None:
    """A shallow set; the layers in random order, many times: (L - 1) / 2 on average."""
    counts, rng = np.array([9, 5, 2, 1, 0, 0, 0]), np.random.default_rng(3)
    shuffled = np.stack([rng.permutation(counts) for _ in range(4000)])
    assert centre(counts) < 1
    assert centre(shuffled).mean() == pytest.approx(3, abs=0.05)


def test_uniform_draws() -> None:
    """An even set is as chance gives; one in the first layer is as uneven as none of a thousand draws."""
    even, first = np.full(5, 20), np.array([100, 0, 0, 0, 0])
    usual, other = uniform_draws(even, 200, 1), uniform_draws(first, 200, 1)
    assert usual.p_value == 1
    assert other.p_value == 1 / 1001
    for found in (usual, other):
        assert (found.low < 20).all()
        assert (found.high > 20).all()
        assert (found.low > 8).all()
        assert found.centre_low < 2 < found.centre_high
        assert found.centre_high - found.centre_low == pytest.approx(2 * 1.96 * np.sqrt(2 * 0.9 / 100), rel=0.15)
    again = uniform_draws(even, 200, 1)
    assert (again.centre_low, again.p_value) == (usual.centre_low, usual.p_value)


def test_uniform_draws_take_no_neuron_twice() -> None:
    """All neurons of the layers: every draw is the set itself."""
    found = uniform_draws(np.array([7, 7]), 7, 1)
    assert found.low.tolist() == found.high.tolist() == [7, 7]
    assert (found.centre_low, found.centre_high, found.p_value) == (0.5, 0.5, 1)


def test_p_values_of_uniform_sets_are_uniform() -> None:
    rng = np.random.default_rng(0)
    draws = rng.multivariate_hypergeometric([50] * 6, 30, size=200)
    found = np.array([uniform_draws(counts, 50, seed).p_value for seed, counts in enumerate(draws)])
    assert (found <= 0.05).mean() == pytest.approx(0.05, abs=0.05)
    assert found.mean() == pytest.approx(0.53, abs=0.08)  # above a half: many draws tie


def test_an_empty_set() -> None:
    found = uniform_draws(np.zeros(3, dtype=np.int64), 10, 1)
    assert np.isnan([found.centre_low, found.centre_high, found.p_value]).all()
    assert side(float("nan"), float("nan"), float("nan"), found, 3) == 0


def test_intervals() -> None:
    assert interval([float(value) for value in range(101)]) == (2.5, 97.5)
    assert interval([float("nan"), 3.0]) == (3, 3)
    assert np.isnan(interval([float("nan")])).all()


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (1.0, 0.8, 1.9, -1),
        (1.0, 0.8, 2.1, 0),  # the interval reaches the middle
        (1.6, 1.2, 1.9, 0),  # chance gives as much
        (3.0, 2.1, 3.5, 1),
        (3.0, 1.9, 3.5, 0),
        (2.3, 2.1, 3.5, 0),
    ],
)
def test_a_side_needs_the_interval_and_chance(value: float, low: float, high: float, expected: int) -> None:
    none = np.zeros(5, dtype=np.int64)
    assert side(value, low, high, Uniform(none, none, 1.5, 2.5, 0.01), 5) == expected


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ([-1] * 5, "shallow"),
        ([1] * 5, "deep"),
        ([-1, -1, -1, -1, 0], "neither"),
        ([-1, 1], "neither"),
        ([0], "neither"),
    ],
)
def test_a_claim_needs_every_normalisation(sides: list[int], expected: str) -> None:
    assert agreed(sides) == expected
