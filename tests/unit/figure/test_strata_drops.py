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


@pytest.fixture(name="drawn", scope="module")
def drawn_figure() -> Figure:
    values = scored(by_hand())
    strata = list(stratum_rows(values, "category", np.array([category for category, _ in ITEMS])))
    ranked = [Ranked(BLANK.set_name, 0, "", [], None, None), *ranked_of(SETS)]
    contrasts = list(contrast_rows(values, samples(ITEMS), "need", DECLARED, ranked))
    tables = {"strata": [rows_of(STRATA, strata)], "contrasts": [rows_of(CONTRASTS, contrasts)]}
    return draw(tables, Looks(compose([]).grouping))


def test_each_kind_and_the_contrast_have_a_place(drawn: Figure) -> None:
    left, right = (axes for part in drawn.subfigs for axes in part.axes)
    assert [label.get_text() for label in left.get_xticklabels()] == ["CAL\nn = 4", "KNOW\nn = 1", "VIS\nn = 7"]
    assert [label.get_text() for label in right.get_xticklabels()] == ["blank", "image\np 0.05"]
    assert right.get_title() == "VIS less CAL, within gold_step 5, 6 (n = 5, 4)"


def test_controls_are_drawn_beside_their_set(drawn: Figure) -> None:
    left, right = (axes for part in drawn.subfigs for axes in part.axes)
    grey = [line for line in right.lines if len(line.get_xdata()) == 20]
    assert [max(line.get_ydata()) for line in grey] == [pytest.approx(0.25)]
    assert sum(len(line.get_xdata()) == 20 for line in left.lines) == 3


def test_a_run_can_draw_it_from_both_tables() -> None:
    overrides = ["benchmarks=[toy_textvqa,toy_errorradar_step]", "figures=[strata_drops]"]
    plan = open_experiment({"experiment": "smoke", "overrides": overrides}).plan
    read = {name for name, paths in plan.reads("plot_figures", {"figure": "strata_drops"}).items() if paths}
    assert {"strata", "contrasts"} <= read
