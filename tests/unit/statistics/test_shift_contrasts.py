"""Shifts of a set beside those of its controls: weights, intervals and ranks by hand, and the verdicts."""

import numpy as np
import pytest

from lode.statistics.intervals import LEVEL, mean_intervals
from lode.statistics.shift import Cell, contrast, contrast_value, parallel_frac, selectivity_weights, verdict


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
        (0.5, [0.1] * 20, 0.79, "unmatchable"),
        (0.5, [0.1] * 20, 0.8, "beyond_controls"),
        (0.5, [0.1] * 20, None, "beyond_controls"),
        (0.5, [], None, "no_controls"),
        (0.0, [0.0] * 20, 1.0, "within_controls"),
    ],
)
def test_verdicts(value: float, controls: list[float], ratio: float | None, said: str) -> None:
    assert verdict(value, controls, ratio) == said


def test_the_share_along_the_state() -> None:
    assert parallel_frac(0.25, 0.25) == 1
    assert parallel_frac(0.0, 0.25) == 0
    assert parallel_frac(0.2500001, 0.25) == 1
    assert parallel_frac(0.0, 0.0) is None
