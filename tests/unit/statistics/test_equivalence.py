"""Equivalence: by hand, and how often a true drop of exactly 10 points is called small."""

import numpy as np
import pytest

from lode.scoring import UNITS
from lode.statistics.equivalence import MARGIN, equivalent, is_told
from lode.statistics.intervals import LEVEL, drop_intervals


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.02, 0.05, True),
        (-0.10, 0.10, True),  # the ends may lie on the margin
        (-0.101, 0.05, False),  # a gain
        (0.02, 0.12, False),  # a drop that may be larger
        (-0.3, 0.3, False),  # too few samples: nothing is shown
        (0.05, 0.08, True),  # a drop for sure, and a small one
        (float("nan"), float("nan"), False),
    ],
)
def test_by_hand(low: float, high: float, expected: bool) -> None:
    assert equivalent(low, high) is expected


@pytest.mark.parametrize(
    ("unit", "clean", "chance", "measurable", "expected"),
    [
        ("score in [0, 1]", 0.60, 0.25, True, True),
        ("score in [0, 1]", 0.36, 0.25, True, True),
        ("score in [0, 1]", 0.60, 0.50, True, False),  # a drop to chance is 10 points
        ("score in [0, 1]", 0.02, 0.0, True, False),
        ("score in [0, 1]", 0.60, 0.25, False, False),  # not above chance for sure
        ("CIDEr-D / 10", 0.15, 0.0, True, False),  # more than people reach
        ("share, at most 1", 0.9, 0.0, True, False),
        ("nats", -0.1, -2.0, True, False),
    ],
)
def test_small_is_told_where_there_is_more_to_lose(
    unit: str, clean: float, chance: float, measurable: bool, expected: bool
) -> None:
    assert unit in UNITS
    assert is_told(unit, clean, chance, measurable) is expected


def test_no_difference_of_enough_samples() -> None:
    """Of 60 samples none lost: the upper end is 0.063 (README), so a change of at most 10 points; of 30 it is not."""
    for num_samples, expected in ((60, True), (30, False)):
        low, high = drop_intervals(np.zeros((1, num_samples)), np.arange(num_samples), LEVEL)
        assert equivalent(float(low[0]), float(high[0])) is expected


def called(lost: float, won: float, num_samples: int, cluster_size: int, sign: int, num_draws: int = 4000) -> float:
    """How often binary scores with these shares of lost and won samples are called equivalent."""
    rng = np.random.default_rng([num_samples, cluster_size, int(1000 * lost), sign + 1])
    clusters = np.repeat(np.arange(num_samples // cluster_size), cluster_size)
    drawn = rng.random((num_draws, num_samples // cluster_size))
    values = np.where(drawn < lost, 1.0, np.where(drawn < lost + won, -1.0, 0.0))
    drops = sign * np.repeat(values, cluster_size, axis=1)
    low, high = drop_intervals(drops, clusters, LEVEL)
    return float(np.mean([equivalent(one, other) for one, other in zip(low.tolist(), high.tolist(), strict=True)]))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("lost", "won"), [(MARGIN, 0.0), (0.15, 0.05), (0.3, 0.2)])
@pytest.mark.parametrize(("num_samples", "cluster_size"), [(60, 1), (120, 2), (200, 1), (1000, 1)])
def test_a_true_change_of_ten_points_is_seldom_called_small(
    lost: float, won: float, num_samples: int, cluster_size: int, sign: int
) -> None:
    assert called(lost, won, num_samples, cluster_size, sign) <= 0.05


def test_no_change_is_called_small_where_there_are_samples_enough() -> None:
    """With 1,000 samples and 20 % that change either way the interval is 2.8 points on both sides."""
    assert called(0.1, 0.1, 1000, 1, 1, 500) >= 0.99
    assert called(0.1, 0.1, 60, 1, 1, 500) < 0.5, "of 60 samples little is shown"
