"""Changes inside the model: values by hand, the slow plain way, false alarms of null reports, and a planted change."""

import numpy as np
import pytest

from lode.statistics.intervals import LEVEL, mean_intervals
from lode.statistics.traced_sets import NOTHING, Told, change_of, corrected, rank, size_of


def test_a_change_by_hand() -> None:
    """Two samples, two layers: (1, 2) and (3, 2) become (1, 0) and (2, 2): means 0 - 0.5 and 0 - 1."""
    clean, switched = np.array([[1.0, 2.0], [3.0, 2.0]]), np.array([[1.0, 0.0], [2.0, 2.0]])
    found = change_of(switched, clean, np.array(["a", "b"]))
    assert found.clean.tolist() == [2.0, 2.0]
    assert found.difference.tolist() == [-0.5, -1.0]
    low, high = mean_intervals(np.array([[0.0, -1.0]]), np.array([0, 1]), LEVEL)
    assert (found.low[0], found.high[0]) == (low[0], high[0])
    alone = change_of(switched, clean, np.array(["a", "a"]))
    assert alone.difference.tolist() == [-0.5, -1.0]
    assert np.isnan(alone.low).all()


def test_of_the_answer_a_loss_counts_and_of_others_either_sign() -> None:
    assert [size_of("gold_logp", value) for value in (-0.5, 0.25)] == [0.5, -0.25]
    for measure in ("share", "entropy"):
        assert [size_of(measure, value) for value in (-0.5, 0.25)] == [0.5, 0.25]


@pytest.mark.parametrize(
    ("size", "controls", "magnitudes", "ratio", "p", "verdict"),
    [
        (0.5, [0.1] * 20, None, None, 1 / 21, "beyond_controls"),
        (0.5, [0.1] * 19 + [0.6], None, None, 2 / 21, "within_controls"),
        (0.5, [0.2] * 20, [0.5] * 20, None, 1.0, "within_controls"),  # 0.2 / 0.5 ** 2 and more
        (0.5, [0.1] * 20, [0.95] * 20, 0.95, 1 / 21, "beyond_controls"),
        (0.5, [0.1] * 20, [0.8] * 20, 0.8, 1 / 21, "unmatchable"),
        (0.009, [0.001] * 20, None, None, 1 / 21, NOTHING),
        (0.009, [0.001] * 19 + [0.02], None, None, 2 / 21, "within_controls"),
        (-0.5, [-0.7] * 20, None, None, 1 / 21, NOTHING),  # all gain
        (0.5, [0.1] * 5, None, None, 1 / 6, "too_few_controls"),
        (0.5, [], None, None, 1.0, "no_controls"),
    ],
)
def test_ranks_and_verdicts(
    size: float, controls: list[float], magnitudes: list[float] | None, ratio: float | None, p: float, verdict: str
) -> None:
    assert rank(size, controls, magnitudes, ratio) == (pytest.approx(p), verdict)


def told(size: float, controls: list[float]) -> Told:
    return Told(size, controls, None, *rank(size, controls, None, None))


def test_what_is_no_test_is_not_corrected() -> None:
    rows = [told(0.5, [0.1] * 20), told(0.001, [0.0] * 20), told(0.5, [])]
    assert corrected(rows) == [pytest.approx(1 / 21), None, None]
    assert corrected(rows[1:]) == [None, None]


def report(rng: np.random.Generator, effect: float, num_sets: int = 4, num_layers: int = 8) -> list[float]:
    """Corrected p-values of sets whose changes wander from layer to layer, as those of their controls do."""
    rows = []
    for place in range(num_sets):
        walks = np.abs(rng.normal(0, 0.1, (21, num_layers)).cumsum(axis=1))
        walks[0, num_layers // 2 :] += effect * (place == 0)
        rows += [told(own, others) for own, *others in walks.T.tolist()]
    return [1.0 if p is None else p for p in corrected(rows)]


def test_of_null_reports_five_percent_name_a_layer_and_a_planted_change_is_found() -> None:
    """Layers of a set go together; so does draw r of all of them: the correction is exact, not only safe."""
    rng = np.random.default_rng(0)
    named = [min(report(rng, 0.0)) <= 0.05 for _ in range(400)]
    assert 0.02 <= np.mean(named) <= 0.08
    found = [np.array(report(rng, 2.0)[:8]) <= 0.05 for _ in range(50)]
    assert np.mean([each[4:].any() for each in found]) >= 0.95
    assert np.mean([each[0] for each in found]) <= 0.1


def test_the_correction_is_the_slow_plain_way() -> None:
    """Every draw takes its turn as the set; the share of turns whose largest z is as large."""
    rng = np.random.default_rng(1)
    values = np.abs(rng.normal(0, 1, (3, 21)))
    z = (values - values.mean(1, keepdims=True)) / np.hypot(values.std(1, keepdims=True), 0.01)
    rows = [told(own, others) for own, *others in values.tolist()]
    for at, p in enumerate(corrected(rows)):
        plain = (1 + sum(z[:, draw].max() >= z[at, 0] for draw in range(1, 21))) / 21
        assert p == pytest.approx(max(plain, rows[at].p_value))
