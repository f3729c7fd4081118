"""Cuts beside their controls: values by hand, false alarms under the null, and an effect that is there."""

import numpy as np
import pytest

from lode.statistics.cuts import (
    BELOW,
    BEYOND,
    FEWEST_CLUSTERS,
    NO_CONTROLS,
    NOTHING,
    OVERLAPPING,
    TOO_FEW,
    TOO_FEW_CLUSTERS,
    UNMATCHABLE,
    WITHIN,
    corrected,
    interval,
    verdict,
)

NUM_CONTROLS, NUM_PAIRS, NUM_REPORTS = 20, 7, 400


@pytest.mark.parametrize(
    ("delta", "controls", "shared", "said"),
    [
        (-9.0, [-1.0] * 20, 0.2, BEYOND),
        (0.0, [-1.0] * 20, 0.2, BELOW),
        (-1.0, [-1.0] * 20, 0.2, WITHIN),
        (-0.995, [-1.0] * 20, 0.2, WITHIN),
        (-0.009, [-0.001] * 20, 0.2, NOTHING),
        (0.5, [0.0] * 20, 0.2, NOTHING),
        (-1.5, [-1.0] * 19 + [-2.0], 0.2, WITHIN),
        (-9.0, [-1.0] * 20, 0.6, UNMATCHABLE),
        (-9.0, [-1.0] * 3, 0.2, TOO_FEW),
        (-1.5, [-1.0] * 19 + [-2.0], [0.2] * 19 + [0.6], OVERLAPPING),
        (-1.5, [-1.0] * 18 + [-2.0] * 2, [0.2] * 19 + [0.6], WITHIN),
        (-9.0, [], 0.0, NO_CONTROLS),
    ],
)
def test_verdicts_by_hand(delta: float, controls: list[float], shared: float | list[float], said: str) -> None:
    """`shared` of each draw, or of all alike."""
    shares = shared if isinstance(shared, list) else [shared] * len(controls)
    assert verdict(delta, controls, shares, FEWEST_CLUSTERS) == said
    assert verdict(delta, controls, shares, FEWEST_CLUSTERS - 1) == TOO_FEW_CLUSTERS


def test_an_interval_needs_two_clusters() -> None:
    assert interval(np.array([-1.0, -2.0]), np.array(["a", "a"])) == (None, None)
    low, high = interval(np.array([-1.0, -2.0, -3.0]), np.array(["a", "b", "c"]))
    assert low is not None
    assert high is not None
    assert low < -2 < high


def test_no_pairs_no_values() -> None:
    assert corrected([], []) == []


@pytest.mark.parametrize("scale", [0.0, 1.0], ids=["alike", "heavy tails"])
def test_false_alarms_under_the_null(scale: float) -> None:
    """Pairs that are draws like their controls: 5 % of benchmarks name one, and of rows alone far more."""
    rng = np.random.default_rng(0)
    alarms, uncorrected = 0, 0
    for _ in range(NUM_REPORTS):
        spreads = np.exp(scale * rng.normal(size=NUM_PAIRS))
        draws = -np.exp(rng.normal(size=(NUM_PAIRS, 1 + NUM_CONTROLS))) * spreads[:, None]
        alarms += min(corrected(draws[:, 0].tolist(), draws[:, 1:].tolist())) <= 0.05
        uncorrected += any(
            verdict(row[0], row[1:].tolist(), [0.2] * NUM_CONTROLS, FEWEST_CLUSTERS) == BEYOND for row in draws
        )
    assert alarms / NUM_REPORTS <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / NUM_REPORTS)
    assert uncorrected / NUM_REPORTS > 0.2


def test_a_planted_effect_is_found() -> None:
    """Three times the largest control, as media to the last token of the embedded models lose and more."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(100):
        draws = -np.exp(0.5 * rng.normal(size=(NUM_PAIRS, 1 + NUM_CONTROLS)))
        draws[0, 0] = 3 * draws[0, 1:].min()
        p = corrected(draws[:, 0].tolist(), draws[:, 1:].tolist())
        found += p[0] <= 0.05
    assert found >= 90
