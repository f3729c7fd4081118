"""The figure of strata: every set with its controls, the blank run, and the contrast that was declared."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from lode.figure import Looks, Table
from lode.figure.strata_drops import draw
from lode.stages.compare_strata import contrast_rows
from lode.stages.score_strata import stratum_rows
from lode.statistics.ranked import Ranked
from lode.study import compose
from lode.table.contrasts import CONTRASTS
from lode.table.strata import STRATA
from tests.unit.stages.test_compare_strata import BLANK, DECLARED, ITEMS, SETS, by_hand, ranked_of, samples, scored
from workflow.check import open_experiment

RUN = {"model": "m", "selection": "s", "intervention": "zero"}


def rows_of(table: Any, rows: list[dict[str, Any]]) -> Table:
    names = table.schema.names
    return Table(RUN, pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows], table.schema))


def draw_with(second: list[dict[str, Any]]) -> Figure:
    """The figure of the contrast by hand, and of rows of a second one."""
    values = scored(by_hand())
    keyed = {"category": [category for category, _ in ITEMS], "gold_step": [str(step) for _, step in ITEMS]}
    strata = [row for key, of_samples in keyed.items() for row in stratum_rows(values, key, np.array(of_samples))]
    tables = {"strata": [rows_of(STRATA, strata)], "contrasts": [rows_of(CONTRASTS, [*declared(), *second])]}
    return draw(tables, Looks(compose([]).grouping))


def declared() -> list[dict[str, Any]]:
    """The rows of the contrast by hand."""
    ranked = [Ranked(BLANK.set_name, 0, "", [], None, None), *ranked_of(SETS)]
    return list(contrast_rows(scored(by_hand()), samples(ITEMS), "need", DECLARED, ranked))


@pytest.fixture(name="drawn", scope="module")
def drawn_figure() -> Figure:
    return draw_with([])


def test_each_kind_and_the_contrast_have_a_place(drawn: Figure) -> None:
    left, right = (axes for part in drawn.subfigs for axes in part.axes)
    assert [label.get_text() for label in left.get_xticklabels()] == ["CAL\nn = 4", "KNOW\nn = 1", "VIS\nn = 7"]
    assert [label.get_text() for label in right.get_xticklabels()] == ["blank", "image\np 0.05"]
    assert right.get_title(loc="left") == "VIS less CAL\nwithin gold_step 5, 6\nn = 5, 4"


def test_controls_are_drawn_beside_their_set(drawn: Figure) -> None:
    left, right = (axes for part in drawn.subfigs for axes in part.axes)
    grey = [line for line in right.lines if len(line.get_xdata()) == 20]
    assert [max(line.get_ydata()) for line in grey] == [pytest.approx(0.25)]
    assert sum(len(line.get_xdata()) == 20 for line in left.lines) == 3


def test_every_key_that_samples_are_divided_by_has_its_strata() -> None:
    second = [{**row, "contrast_name": "by_step", "contrast_key": "gold_step"} for row in declared()]
    by_kind, by_step, *others = (axes for part in draw_with(second).subfigs for axes in part.axes)
    assert [label.get_text() for label in by_kind.get_xticklabels()] == ["CAL\nn = 4", "KNOW\nn = 1", "VIS\nn = 7"]
    assert [label.get_text() for label in by_step.get_xticklabels()] == ["2\nn = 3", "5\nn = 4", "6\nn = 5"]
    assert len(others) == 2


def test_every_contrast_has_a_panel_and_one_without_a_number_no_axes() -> None:
    lost = {"contrast": None, "interval_low": None, "interval_high": None, "control_values": []}
    second = [{**row, "contrast_name": "other_need", **lost} for row in declared()]
    _, told, empty = (axes for part in draw_with(second).subfigs for axes in part.axes)
    assert told.axison
    assert not empty.axison
    assert [text.get_text() for text in empty.texts] == ["one is not above chance"]


def test_a_run_can_draw_it_from_both_tables() -> None:
    overrides = ["benchmarks=[toy_textvqa,toy_errorradar_step]", "figures=[strata_drops]"]
    plan = open_experiment({"experiment": "smoke", "overrides": overrides}).plan
    read = {name for name, paths in plan.reads("plot_figures", {"figure": "strata_drops"}).items() if paths}
    assert {"strata", "contrasts"} <= read
