"""Change points: curves by hand, the slow plain search, false alarms of straight curves, and planted breaks."""

from itertools import combinations

import numpy as np
import pytest

from lode.statistics.change_points import BENT, LINE, bic, change_points, columns_of, fit, residuals

#: Flat to state 2, down 2 a state to 5, then up a half: 5, 5, 5, 3, 1, -1, -0.5, 0, 0.5.
CURVE = np.array([5, 5, 5, 3, 1, -1, -0.5, 0, 0.5])


def test_a_curve_by_hand() -> None:
    rng = np.random.default_rng(0)
    found = change_points(CURVE + 0.01 * rng.normal(size=(40, 9)), np.arange(40))
    assert found is not None
    assert found.breaks == (2, 5)
    assert (found.low, found.high) == ((2.0, 5.0), (2.0, 5.0))
    assert found.slopes == pytest.approx((0, -2, 0.5), abs=0.01)
    assert found.verdict == BENT
    assert found.p_value == pytest.approx(1 / 1001)
    assert residuals(CURVE[None], columns_of(9, (2, 5)))[0] == pytest.approx(0, abs=1e-20)


def test_a_line_by_hand() -> None:
    """(0, 0, 3): the line 0.5 (-1) .. has residuals (1/2, -1, 1/2), of squares 3 / 2; BIC n ln(R / n) + k ln n."""
    assert residuals(np.array([[0.0, 0.0, 3.0]]), columns_of(3))[0] == pytest.approx(1.5)
    assert bic(1.5, 3, 2) == pytest.approx(3 * np.log(0.5) + 2 * np.log(3))


def test_the_search_is_the_slow_plain_one() -> None:
    """Every pair of breaks by `lstsq`, curve by curve."""
    rng = np.random.default_rng(1)
    curves = rng.normal(size=(20, 10)).cumsum(axis=1)
    found = fit(curves)
    x = np.arange(10.0)
    for place, curve in enumerate(curves):
        of_pairs = {}
        for b, c in combinations(range(1, 9), 2):
            design = np.array([[1, at, max(at - b, 0), max(at - c, 0)] for at in x])
            beta = np.linalg.lstsq(design, curve, rcond=None)[0]
            of_pairs[b, c] = sum((value - row @ beta) ** 2 for value, row in zip(curve, design, strict=True))
        best = min(of_pairs, key=lambda pair: of_pairs[pair])
        assert tuple(found.breaks[place]) == best
        assert found.of_breaks[place] == pytest.approx(of_pairs[best])
        assert found.of_line[place] == pytest.approx(np.square(curve - np.polyval(np.polyfit(x, curve, 1), x)).sum())


def test_clusters_and_not_samples_are_drawn_anew() -> None:
    """Every sample five times over in one cluster tells no more than once."""
    rng = np.random.default_rng(2)
    values = CURVE + rng.normal(size=(20, 9))
    once = change_points(values, np.arange(20))
    again = change_points(np.repeat(values, 5, axis=0), np.repeat(np.arange(20), 5))
    assert once is not None
    assert again is not None
    assert once[:3] == again[:3]
    assert (*once.slopes, once.bic_gain, once.p_value) == pytest.approx((*again.slopes, again.bic_gain, again.p_value))


@pytest.mark.parametrize(("states", "clusters"), [(6, 20), (9, 9)])
def test_too_few_states_or_clusters_tell_nothing(states: int, clusters: int) -> None:
    values = np.random.default_rng(0).normal(size=(20, states))
    assert change_points(values, np.arange(20) % clusters) is None


@pytest.mark.parametrize("wander", [False, True])
@pytest.mark.parametrize(("states", "clusters"), [(7, 10), (7, 30), (12, 30)])
def test_no_more_than_five_percent_of_straight_curves_bend(wander: bool, states: int, clusters: int) -> None:
    """Noise that is independent from state to state, and noise that wanders, of which the BIC alone calls most."""
    rng, called, by_bic = np.random.default_rng(3), 0, 0
    for _ in range(200):
        noise = rng.normal(0, 1, (clusters, states))
        values = np.linspace(5, 2, states) + (noise.cumsum(axis=1) if wander else noise)
        found = change_points(values, np.arange(clusters))
        assert found is not None
        called += found.verdict == BENT
        by_bic += found.bic_gain > 0
    assert called / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    if wander and states == 12:
        assert by_bic / 200 > 0.5


def test_planted_breaks_are_found_among_wandering_samples() -> None:
    rng, found = np.random.default_rng(4), []
    for _ in range(40):
        one = change_points(CURVE + rng.normal(0, 0.3, (40, 9)).cumsum(axis=1), np.arange(40))
        assert one is not None
        found.append(one)
    assert np.mean([one.verdict == BENT for one in found]) >= 0.95
    inside = [one.low[0] <= 2 <= one.high[0] and one.low[1] <= 5 <= one.high[1] for one in found]
    assert np.mean(inside) >= 0.9
    straight = change_points(np.tile(np.linspace(5, 2, 9), (10, 1)), np.arange(10))
    assert straight is not None
    assert straight.verdict == LINE


@pytest.mark.parametrize("curve", [5 - np.maximum(np.arange(9.0) - 3, 0), 5 * np.exp(-np.arange(9.0) / 3)])
def test_bent_is_not_said_to_be_two_breaks(curve: np.ndarray) -> None:
    """One break, or none but a smooth fall: a line does not do, and no more than that is said."""
    rng = np.random.default_rng(5)
    found = change_points(curve + rng.normal(0, 0.3, (40, 9)), np.arange(40))
    assert found is not None
    assert found.verdict == "bent"
