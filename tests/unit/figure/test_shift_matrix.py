"""The matrix of shifts shows what a set moves beyond its controls, what that costs, and where nothing can be told."""

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from lode.figure import _cells, house_style, shift_matrix
from tests.panels import KEYS, LOOKS, as_table
from tests.tables import benchmark_rows

RUN = {name: KEYS[name] for name in ("model", "selection", "intervention")}
CONTROLS = [0.1] * 20


def shift(name: str, group: str, value: float, verdict: str = "beyond_controls", **further: Any) -> dict[str, Any]:
    """A row over all benchmarks, whose controls move 0.1."""
    row = {"set_name": name, "num_neurons": 7, "group": group, "own": name == group, "dataset": None, "shift": value}
    row |= {"num_samples": 9, "interval_low": 0.0, "interval_high": 1.0, "control_kind": "magnitude_matched"}
    row |= {"num_controls": 20, "control_mean": 0.1, "control_max": 0.2, "p_value": 1 / 21, "size_ratio": 0.95}
    return row | {"verdict": verdict} | further


def draw_matrix(rows: list[dict[str, Any]], drops: dict[str, Any]) -> tuple[Axes, Axes]:
    """The cells of shifts, and those of what is lost on two benchmarks, on the second 0.2 nats more."""
    effects = []
    for dataset, more in (("first", 0.0), ("second", 0.2)):
        of_dataset = [
            row
            for outcome in ("content", "stopping", "score")
            for row in benchmark_rows(
                dataset, outcome, 0.0, {name: (drop + more, CONTROLS) for name, drop in drops.items()},
                dict.fromkeys(drops, 7),
            )[1]
        ]  # fmt: skip
        effects.append(as_table("effects", of_dataset, {**RUN, "dataset": dataset}))
    tables = {"shift_tests": [as_table("shift_tests", rows, RUN)], "effects": effects}
    with house_style("test"):
        found = shift_matrix.draw(tables, LOOKS)
        found.draw_without_rendering()
        return found.axes[0], found.axes[1]


def texts(axes: Axes) -> dict[tuple[int, int], list[str]]:
    """By column and row, what a cell says."""
    found: dict[tuple[int, int], list[str]] = {}
    for text in axes.texts:
        x, y = text.get_position()
        found.setdefault((round(x), round(y)), []).append(text.get_text())
    return found


def test_cells_hold_the_excess_and_both_shifts() -> None:
    rows = [
        shift("image", "image", 0.63),
        shift("image", "text", 0.08, "within_controls"),
        shift("image", "prompt", 0.5),
        shift("image", "last", 1.3),
        shift("image", "image", 9.0, control_kind="layer_matched"),
        shift("image", "image", 8.0, dataset="first"),
        shift("text", "image", 0.3),
        shift("text", "text", 0.1025),
        shift("text", "last", 0.1, "within_controls"),
    ]
    left, right = draw_matrix(rows, {"image": 0.0, "text": 0.3})
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["text", "image", "last token"]
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["text (7)", "image (7)"]
    np.testing.assert_allclose(left.images[0].get_array(), [[0.0025, 0.2, 0.0], [-0.02, 0.53, 1.2]], atol=1e-12)
    said = texts(left)
    assert said[1, 1] == [".53 •", ".63 | .10"], "the headline kind, over all benchmarks"
    assert said[0, 1] == ["−.02", ".08 | .10"]
    assert said[2, 1] == ["1.20 •", "1.30 | .10"]
    assert said[0, 0] == [".00", ".10 | .10"], "no dot on what is written as nothing"
    frames = sorted(patch.get_xy() for patch in left.patches if patch.get_label() == "_own")
    assert frames == [(-0.47, -0.46), (0.53, 0.54)]
    assert left.images[0].norm.vmax == 1
    # 0.3 and 0.5, less 0.1; and 0 and 0.2, less 0.1: the second benchmark alone is above every control
    np.testing.assert_allclose(right.images[0].get_array(), [[0.3, 0.3], [0.0, 0.0]], atol=1e-12)
    assert texts(right)[0, 0] == [".30", "2 of 2"]
    assert texts(right)[1, 1] == [".00", "1 of 2"]


@pytest.mark.parametrize("further", [{"verdict": "unmatchable"}, {"verdict": "no_controls", "control_mean": None}])
def test_what_cannot_be_told_is_hatched_and_has_no_colour(further: dict[str, Any]) -> None:
    rows = [shift("image", "image", 0.7, **further), shift("text", "text", 0.6), shift("text", "image", 0.2)]
    left, right = draw_matrix(rows, {"image": 0.3, "text": 0.3})
    assert np.isnan(left.images[0].get_array().filled(np.nan)[1, 1])
    assert [patch.get_hatch() for patch in left.patches if patch.get_label() == "_untold"] == ["////"]
    assert texts(left)[1, 1][0] == "–"
    assert texts(left)[1, 1][1].startswith(".70 | ")
    hatched = [patch.get_xy() for patch in right.patches if patch.get_label() == "_untold"]
    assert hatched == [(-0.5, 0.5), (0.5, 0.5)]


def test_numbers_are_short() -> None:
    assert [_cells.short(value) for value in (0.0, -0.004, 0.5, -0.25, 0.996, 1.2, -3.0, 10.02)] == [
        ".00", ".00", ".50", "−.25", "1.00", "1.20", "−3.00", "10.02"
    ]  # fmt: skip
