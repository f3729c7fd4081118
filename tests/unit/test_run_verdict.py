"""What counts as specific, and the sentence that a report begins with."""

from typing import Any

import pytest

from lode.statistics.run_verdict import conclusion, is_specific, verdicts


def row(name: str = "image", **changes: Any) -> dict[str, Any]:
    """A mask that is specific, unless changed."""
    found = {"set_name": name, "selectivity": 0.3, "interval_low": 0.1, "num_controls": 20, "control_max": 0.2}
    return {**found, **changes}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"interval_low": 0.0}, False),  # the interval must lie above 0, not begin there
        ({"interval_low": -0.1}, False),
        ({"control_max": 0.3}, False),  # a control that does the same
        ({"control_max": 0.299}, True),
        ({"control_max": -0.5, "selectivity": -0.1, "interval_low": -0.2}, False),  # above controls, but harms others
        ({"num_controls": 0, "control_max": None}, False),
        ({"selectivity": None, "interval_low": None, "control_max": None}, False),
    ],
)
def test_specific(changes: dict[str, Any], expected: bool) -> None:
    assert is_specific(row(**changes)) is expected


def test_the_most_selective_run_is_shown_and_specific_ones_come_first() -> None:
    larger = row(selectivity=0.5, control_max=0.6)
    (found,) = verdicts([("miner", larger), ("lape", row()), ("random", row(selectivity=0.01, interval_low=-0.2))])
    assert (found.set_name, found.num_runs, found.num_specific, found.where) == ("image", 3, 1, "lape")
    assert found.row["selectivity"] == 0.3


def test_a_mask_without_selectivity_has_no_verdict() -> None:
    assert verdicts([("miner", row("all", selectivity=None))]) == []
    assert conclusion([]).startswith("No mask has both")


def test_the_sentence() -> None:
    null = row("text", interval_low=-0.1)
    assert conclusion(verdicts([("a", row()), ("a", null)])) == (
        "Specific to its modality here is a set of image; not text."
    )
    assert conclusion(verdicts([("a", null), ("b", null)])) == (
        "No set is specific to its modality in any of 2 runs: not text."
    )
    assert conclusion(verdicts([("a", row()), ("a", row("video"))])) == (
        "Specific to its modality here are sets of image, video; all that could be tested."
    )
    assert conclusion(verdicts([("a", row(num_controls=0, control_max=None))])).startswith("No controls were drawn")
