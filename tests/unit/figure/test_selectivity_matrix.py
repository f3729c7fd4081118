"""The selectivity matrix shows content and stopping apart, every control, and the verdict over the report."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from lode.figure import _cells, house_style, selectivity_matrix
from tests.panels import KEYS, LOOKS, Drops, as_table, points_of
from tests.tables import benchmark_rows, compared_rows, verdict_rows

SIZES = {"text": 12, "image": 7, "all": 15}
RUN = {name: KEYS[name] for name in ("model", "selection", "intervention")}
CONTROLS = [0.1] * 20


def matrix(unmeasurable: str = "", own: str = "first") -> tuple[list[dict], list[dict]]:
    """Comparisons and verdicts on two benchmarks; content has 2 nats to lose, stopping 1.4."""
    losses: dict[str, dict[str, Drops]] = {
        "first": {
            "content": {"text": (0.02, CONTROLS), "image": (0.60, CONTROLS), "all": (2.6, CONTROLS)},
            "stopping": {"text": (5.0, CONTROLS), "image": (0.0, CONTROLS), "all": (0.7, CONTROLS)},
        },
        "second": {
            "content": {"text": (0.62, CONTROLS), "image": (-0.04, CONTROLS), "all": (1.0, [1.5] * 20)},
            "stopping": {"text": (0.7, CONTROLS), "image": (0.0, CONTROLS), "all": (0.7, CONTROLS)},
        },
    }
    effects = [
        row
        for dataset, by_outcome in losses.items()
        for outcome, drops in by_outcome.items()
        for row in benchmark_rows(dataset, outcome, 0.0, drops, SIZES, dataset != unmeasurable)[1]
    ]
    comparisons, selectivity = compared_rows(effects, own)
    return comparisons, verdict_rows(selectivity, RUN)


def draw_matrix(comparisons: list[dict], verdicts: list[dict]) -> tuple[Axes, Axes, Axes, Axes]:
    """Cells and selectivities of content, then those of stopping."""
    tables = {"comparisons": [as_table("comparisons", comparisons, RUN)], "verdicts": [as_table("verdicts", verdicts)]}
    with house_style("test"):
        found = selectivity_matrix.draw(tables, LOOKS)
        found.draw_without_rendering()
        content, forest, stopping, other = found.axes[:4]
    return content, forest, stopping, other


def cell_texts(cells: Axes) -> dict[tuple[int, int], str]:
    """By column and row, the number in a cell."""
    return {(round(t.get_position()[0]), round(t.get_position()[1])): t.get_text() for t in cells.texts[::2]}


def faces_of(forest: Axes) -> list[str]:
    return [line.get_markerfacecolor() for line in forest.lines if line.get_label() == "_selectivity"]


def test_selectivity_matrix_draws_shares_of_content_marks_and_own_benchmarks() -> None:
    comparisons, verdicts = matrix()
    next(row for row in comparisons if row["set_name"] == "image")["p_holm"] = 0.03  # content, `first`
    cells = draw_matrix(comparisons, verdicts)[0]
    assert [tick.get_text() for tick in cells.get_yticklabels()] == ["text (12)", "image (7)", "all (15)"]
    # 0.02 of 2 nats is 0.01; a set may lose more than there was.
    np.testing.assert_allclose(cells.images[0].get_array(), [[0.01, 0.31], [0.3, -0.02], [1.3, 0.5]])
    texts = cell_texts(cells)
    assert texts[0, 0] == ".01", "its controls cost more"
    assert texts[0, 1] == ".30 ★"
    assert texts[1, 0] == ".31 •"
    assert texts[1, 1] == "−.02"
    assert texts[0, 2] == "1.30 •"
    assert texts[1, 2] == ".50"
    assert cells.texts[1].get_text() == "−.02 to .04", "its interval in shares too: (0.02 - 0.0613) / 2"
    frames = [patch for patch in cells.patches if patch.get_label() == "_own"]
    assert sorted(round(patch.get_y() + 0.46) for patch in frames) == [0, 1]
    assert all(round(patch.get_x() + 0.47) == 0 for patch in frames)
    assert cells.images[0].norm.vmax == 1, "colours end where all is lost"


def test_selectivity_matrix_draws_stopping_apart_in_nats() -> None:
    stopping, forest = draw_matrix(*matrix())[2:]
    np.testing.assert_allclose(stopping.images[0].get_array(), [[5, 0.7], [0, 0], [0.7, 0.7]])
    assert cell_texts(stopping)[0, 0] == "5.00 •"
    assert [tick.get_text() for tick in stopping.get_xticklabels()] == ["first", "second"]
    assert points_of(forest, "_selectivity")[0] == pytest.approx((5 - 0.7) / 1.4)


def test_selectivity_matrix_fills_what_is_specific_among_all_its_controls() -> None:
    comparisons, verdicts = matrix()
    forest = draw_matrix(comparisons, verdicts)[1]
    assert points_of(forest, "_selectivity") == pytest.approx([-0.3, 0.32])
    assert points_of(forest, "_interval") == pytest.approx([-0.38, -0.22, 0.24, 0.4])
    assert points_of(forest, "_simultaneous") == pytest.approx([-0.42, -0.18, 0.2, 0.44])
    assert len(points_of(forest, "_controls")) == 2 * 20, "every control of both sets that can be told"
    assert [verdicts[1]["verdict"], faces_of(forest)] == ["specific", ["white", LOOKS.colour("image")]]
    assert [tick.get_text() for tick in forest.get_yticklabels()] == ["≥ .12", "≥ .12", "–"]
    assert points_of(forest, "_untold") == [0], "`all` has no benchmark of its own"
    denied = [{**row, "verdict": "not_specific"} for row in verdicts]
    assert faces_of(draw_matrix(comparisons, denied)[1]) == ["white", "white"], "the report decides, not the picture"
    untold = [{**row, "verdict": "cannot_be_told"} for row in verdicts]
    assert points_of(draw_matrix(comparisons, untold)[1], "_untold") == pytest.approx([-0.3, 0.32, 0])


def test_what_cannot_be_measured_is_hatched() -> None:
    cells, forest = draw_matrix(*matrix(unmeasurable="first"))[:2]
    hatched = [patch for patch in cells.patches if patch.get_label() == "_unmeasurable"]
    assert [round(patch.get_x() + 0.5) for patch in hatched] == [0, 0, 0]
    assert all(patch.get_hatch() for patch in hatched)
    assert set(cell_texts(cells)) == {(1, 0), (1, 1), (1, 2)}
    assert len(points_of(forest, "_untold")) == 3


@pytest.mark.parametrize(("num_controls", "says"), [(20, "no star can appear; 320 draws"), (400, "is 0.04")])
def test_selectivity_matrix_says_whether_holm_can_be_passed(num_controls: int, says: str) -> None:
    comparisons, _ = matrix()
    rows = [{**row, "num_controls": num_controls} for row in comparisons]
    assert says in selectivity_matrix._attainable(rows)
    assert ("star" in selectivity_matrix._attainable(rows)) == (num_controls == 20)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.126, ".13"), (-0.5, "−.50"), (-0.001, ".00"), (1.0, "1.00"), (-0.999, "−1.00")]
)
def test_short_numbers(value: float, expected: str) -> None:
    assert _cells.short(value) == expected
