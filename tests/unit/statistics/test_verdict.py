"""The three verdicts, and the sentence that a report begins with."""

from typing import Any

import pytest

from lode.statistics.verdict import CANNOT_BE_TOLD, NOT_SPECIFIC, SPECIFIC, judge, why_untold

FLAT = [0.01 * (-1) ** i for i in range(20)]  # what 20 controls do


def row(set_name: str = "image", **changes: Any) -> dict[str, Any]:
    """A set that is specific, unless changed."""
    found = {
        "model": "m", "selection": "miner", "intervention": "zero", "set_name": set_name, "num_neurons": 9,
        "own": ["vqa"], "others": ["mmlu", "speech"], "unmeasurable": [], "num_controls": 20, "control_values": FLAT,
        "share_own": 0.6, "share_own_low": 0.5,
        "selectivity": 0.5, "interval_low": 0.4, "interval_high": 0.6, "wide_low": 0.3, "wide_high": 0.7,
        "effective_clusters": 80.0, "magnitude_ratio": 0.9, "shared_frac": 0.5, "control_magnitudes": None,
        "num_different": None,
    }  # fmt: skip
    values = {} if "control_values" not in changes else {"num_controls": len(changes["control_values"])}
    return {**found, **values, **changes}


def verdict(**changes: Any) -> str:
    return judge([row(**changes)])[0].verdict


def untold(reason_of: str, **changes: Any) -> dict[str, Any]:
    """A row that has no selectivity, as a table has it."""
    nothing = dict.fromkeys(("selectivity", "interval_low", "interval_high", "wide_low", "wide_high"))
    return row(reason_of, **{**nothing, "control_values": FLAT, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, SPECIFIC),
        ({"interval_low": 0.0, "wide_low": -0.2}, NOT_SPECIFIC),  # one test: the interval itself
        ({"interval_low": 1e-9, "wide_low": -0.2}, SPECIFIC),
        ({"control_values": [*FLAT[:19], 0.5]}, NOT_SPECIFIC),  # a control does the same: 2 / 21
        ({"control_values": [*FLAT[:19], 0.49]}, SPECIFIC),
        ({"control_values": [*FLAT, 0.5, *[0.0] * 39]}, SPECIFIC),  # 2 / 61
        ({"selectivity": -0.1, "interval_low": -0.2, "wide_low": -0.3, "control_values": [-0.5] * 20}, NOT_SPECIFIC),
        ({"share_own": 0.01, "share_own_low": -0.01}, NOT_SPECIFIC),  # it is the others that gain
        ({"share_own": 0.0099, "share_own_low": 1e-7}, NOT_SPECIFIC),  # and what its own lose is next to nothing
        ({"magnitude_ratio": None, "shared_frac": None}, SPECIFIC),  # tables of controls that say nothing of it
        ({"magnitude_ratio": 0.899}, CANNOT_BE_TOLD),
        ({"shared_frac": 0.501}, CANNOT_BE_TOLD),
        ({"num_different": 19}, SPECIFIC),
        ({"num_different": 18}, CANNOT_BE_TOLD),  # a set of one or two neurons
        ({"num_different": 7, "share_own": 0.009}, NOT_SPECIFIC),
        ({"magnitude_ratio": 0.5, "share_own": 0.009}, NOT_SPECIFIC),  # what loses nothing needs no control
        ({"shared_frac": 0.9, "share_own": -0.2}, NOT_SPECIFIC),
        ({"magnitude_ratio": 0.5, "selectivity": -0.85}, NOT_SPECIFIC),  # nor what others lose more of
        ({"control_values": [*FLAT[:19], 0.49], "control_magnitudes": [0.97] * 20}, NOT_SPECIFIC),  # 0.49 / 0.97 > 0.5
        ({"control_values": [*FLAT[:19], 0.5], "control_magnitudes": [1.01] * 20}, NOT_SPECIFIC),  # as it is
        ({"control_values": [*FLAT[:19], 0.46], "control_magnitudes": [0.97] * 20}, NOT_SPECIFIC),  # / 0.97^3 > 0.5
        ({"control_values": [*FLAT[:19], 0.45], "control_magnitudes": [0.97] * 20}, SPECIFIC),
        ({"control_magnitudes": [0.0] * 20}, SPECIFIC),  # what writes nothing does nothing
        ({"control_values": FLAT[:19]}, CANNOT_BE_TOLD),  # 1 / 20 is not below 0.05
        ({"control_values": []}, CANNOT_BE_TOLD),
    ],
)
def test_specific_needs_a_rare_effect_and_an_interval_above_zero(changes: dict[str, Any], expected: str) -> None:
    assert verdict(**changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"num_neurons": 0, "own": [], "others": []}, "the selector chose no neuron for it"),
        ({"own": []}, "no benchmark of its own"),
        ({"magnitude_ratio": 0.444}, "unmatchable: its controls reach only 0.44 of what the set writes"),
        ({"shared_frac": 0.666}, "its controls share 0.67 of their neurons with it: too few others are as large"),
        ({"own": ["vqa", "mmlu"], "others": []}, "no benchmark without it"),
        ({"unmeasurable": ["vqa"]}, "clean model not above chance on vqa"),
        ({"unmeasurable": ["speech", "mmlu"]}, "clean model not above chance on mmlu, speech"),
        ({"unmeasurable": ["mmlu"]}, None),  # speech is left
        ({"num_controls": 0}, "no controls were drawn"),
        ({"num_different": 7}, "of its 20 controls only 7 differ, 19 are needed"),
        ({"num_controls": 2}, "2 controls: no p below 0.33 can come out, 20 or more are needed"),
        ({"num_controls": 19}, "19 controls: no p below 0.05 can come out, 20 or more are needed"),
    ],
)
def test_what_cannot_be_told_says_why(changes: dict[str, Any], expected: str | None) -> None:
    assert why_untold(row(**changes)) == expected


def test_a_stricter_level_needs_more_controls() -> None:
    assert why_untold(row(), level=0.01) == "20 controls: no p below 0.05 can come out, 100 or more are needed"
    assert why_untold(row(num_controls=100), level=0.01) is None


def test_all_tests_of_a_report_are_corrected_for_and_what_cannot_be_told_is_none() -> None:
    """One control of the second set stands out further than the first set does, so that 2 of 21 rows do."""
    lucky = row("text", selectivity=0.0, control_values=[1.0, *FLAT[:18], 0.0])
    alone, both = judge([row()]), judge([untold("special", others=[]), row(), lucky])
    assert (alone[0].p_value, alone[0].p_corrected, alone[0].num_tests) == (1 / 21, 1 / 21, 1)
    assert [found.verdict for found in both] == [CANNOT_BE_TOLD, NOT_SPECIFIC, NOT_SPECIFIC]
    assert (both[1].p_value, both[1].p_corrected, both[1].num_tests) == (1 / 21, 2 / 21, 2)
    assert (both[0].p_value, both[0].p_corrected, both[0].reason) == (None, None, "no benchmark without it")
    assert both[1].simultaneous_low < alone[0].simultaneous_low == pytest.approx(0.4)


def test_what_costs_nothing_is_no_test_and_hides_no_effect() -> None:
    """One control of another set stands alone, in units of the noise around it as far as the effect does in its own."""
    nothing = row("text", selectivity=0.0, interval_low=0.0, share_own=0.02, control_values=[1e-6, *[0.0] * 19])
    found = judge([row(), nothing])
    assert [one.verdict for one in found] == [SPECIFIC, NOT_SPECIFIC]
    assert (found[0].num_tests, found[0].num_at_stake, found[0].p_corrected) == (2, 1, 1 / 21)
    assert (found[1].p_value, found[1].simultaneous_low) == (None, None)
    assert found[1].reason == "it costs its own benchmarks no more than others, or by less than 0.01"
    little = judge([row(share_own=0.001, magnitude_ratio=0.5)])[0]
    assert little.reason == "it costs its own benchmarks less than 0.01 of what there was to lose"


@pytest.mark.parametrize(("alone", "expected"), [(0.0101, SPECIFIC), (0.1, SPECIFIC), (0.6, NOT_SPECIFIC)])
def test_a_control_that_stands_alone_hides_no_larger_effect(alone: float, expected: str) -> None:
    """Effect 0.5 among controls that cost nothing; z of one value alone is sqrt(20), without regard to its size."""
    effect = row(control_values=[0.0] * 20)
    other = row("text", selectivity=0.0, control_values=[alone, *[0.0] * 19])
    found = judge([effect, other])
    assert (found[0].verdict, found[0].num_at_stake) == (expected, 2)


def test_the_interval_of_the_best_of_many_decides() -> None:
    """Above 0 alone (0.02), not at the level that holds for 30 tests."""
    rows = [row(selection=f"s{i}", selectivity=0.5, interval_low=0.02, wide_low=-0.4) for i in range(30)]
    found = judge(rows)
    assert judge(rows[:1])[0].verdict == SPECIFIC
    assert {one.verdict for one in found} == {NOT_SPECIFIC}
    assert found[0].p_corrected == 1 / 21
    assert "does not lie above 0" in found[0].reason
