"""Shifts of a set beside those of its controls: weights, intervals and ranks by hand, and the verdicts."""

from typing import Any

import numpy as np
import pytest

from lode.statistics.intervals import LEVEL, mean_intervals
from lode.statistics.shift import (
    Cell,
    contrast,
    contrast_value,
    corrected,
    p_value,
    parallel_frac,
    selectivity_weights,
    verdict,
)


def cell(*values: float, clusters: str = "") -> Cell:
    names = list(clusters) if clusters else [str(at) for at in range(len(values))]
    return Cell({"image": np.array(values)}, np.array(names))


def test_a_selectivity_by_hand() -> None:
    """Own: means 0.6 and 0.2, so 0.4; others: 0.1, and the mean of 0.3 and 0.1: 0.15. The difference is 0.25."""
    cells = [cell(0.5, 0.7), cell(0.2, 0.2), cell(0.1, 0.1), cell(0.3, 0.3), cell(0.1, 0.1)]
    weights = selectivity_weights(2, [1, 2])
    assert weights == [0.5, 0.5, -0.5, -0.25, -0.25]
    assert contrast_value(cells, weights, "image") == pytest.approx(0.25)
    assert contrast(cells, weights, "image").value == pytest.approx(0.25)


def test_one_cell_has_the_interval_of_its_mean() -> None:
    some = cell(0.1, 0.4, 0.2, 0.9, clusters="aabc")
    value, low, high = contrast([some], [1.0], "image")
    ends = mean_intervals(some.values["image"][None], some.clusters, LEVEL)
    assert (value, low, high) == pytest.approx((0.4, float(ends[0][0]), float(ends[1][0])))


def test_groups_of_one_sample_err_together() -> None:
    """Two groups that move as one in every sample differ by nothing, with certainty; in other samples they do not."""
    values = np.linspace(0, 1, 20)  # without skewness
    same = [cell(*values), cell(*(values - 0.3))]
    value, low, high = contrast(same, [1.0, -1.0], "image")
    assert (value, low, high) == pytest.approx((0.3, 0.3, 0.3), abs=1e-4)
    apart = [same[0], Cell(same[1].values, np.array([f"other{at}" for at in range(20)]))]
    _, low, high = contrast(apart, [1.0, -1.0], "image")
    assert low is not None
    assert high is not None
    assert high - low > 0.1


def test_no_interval_of_one_cluster() -> None:
    assert contrast([cell(0.1, 0.2), cell(0.5, 0.6, clusters="aa")], [1.0, -1.0], "image")[1:] == (None, None)


def test_a_set_that_moves_nothing_has_no_width() -> None:
    assert contrast([cell(0.0, 0.0, 0.0)], [1.0], "image") == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "controls", "ratio", "said"),
    [
        (0.5, [0.1] * 20, 0.95, "beyond_controls"),
        (0.5, [0.1] * 19 + [0.5], 0.95, "within_controls"),
        (0.5, [0.1] * 20, 0.89, "unmatchable"),
        (0.5, [0.1] * 20, 0.9, "beyond_controls"),
        (0.5, [0.1] * 20, None, "beyond_controls"),
        (0.5, [0.1] * 19, None, "too_few_controls"),  # 1 / 20 is no p below 0.05
        (1.0, [0.9], 1.0, "too_few_controls"),
        (0.5, [], None, "no_controls"),
        (0.0, [0.0] * 20, 1.0, "within_controls"),
    ],
)
def test_verdicts(value: float, controls: list[float], ratio: float | None, said: str) -> None:
    assert verdict(p_value(value, controls, None), len(controls), ratio) == said


def test_a_control_that_writes_less_is_no_excuse() -> None:
    """0.45 / 0.95 = 0.474, / 0.95^2 = 0.499, / 0.95^3 = 0.525: the cube alone lifts it above the set's 0.5."""
    controls = [0.1] * 19 + [0.45]
    assert p_value(0.5, controls, None) == p_value(0.5, controls, [1.0] * 20) == pytest.approx(1 / 21)
    assert p_value(0.5, controls, [1.0] * 19 + [0.95]) == pytest.approx(2 / 21)
    assert p_value(0.44, controls, [1.2] * 20) == pytest.approx(2 / 21)  # as it is, it is above the set
    assert p_value(0.5, [], None) == 1


def selective(value: float, controls: list[float], said: str = "beyond_controls", rank: float = 1 / 21) -> Any:
    of_controls = {"control_values": controls, "control_magnitudes": None}
    return {"selectivity": value, "verdict": said, "p_value": rank, **of_controls}


def test_p_values_over_a_report_by_hand() -> None:
    """Draw 3 of the second set stands out by more than the first set itself, so its p is 2 / 21."""
    flat = [0.1 * (-1) ** draw for draw in range(20)]
    clear, weak = selective(0.5, flat), selective(0.11, [0.9 if draw == 3 else flat[draw] for draw in range(20)])
    assert corrected([clear]) == [pytest.approx(1 / 21)]
    assert corrected([clear, weak])[0] == pytest.approx(2 / 21)
    # what is below 0.01, or cannot be told, is no test
    small = selective(0.009, [0.001] * 20)
    untold = [selective(0.9, flat, said, 1) for said in ("unmatchable", "too_few_controls", "no_controls")]
    assert corrected([small, clear, *untold]) == [None, pytest.approx(1 / 21), None, None, None]
    assert corrected([]) == []
    assert corrected([selective(0.5, flat, rank=0.3)]) == [0.3]


def test_the_share_along_the_state() -> None:
    assert parallel_frac(0.25, 0.25) == 1
    assert parallel_frac(0.0, 0.25) == 0
    assert parallel_frac(0.2500001, 0.25) == 1
    assert parallel_frac(0.0, 0.0) is None
