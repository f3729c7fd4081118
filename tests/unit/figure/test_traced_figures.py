"""Figures of traces: what is printed is what the tables say, titles do not touch, and there is no panel of nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from lode.engine.tables import read_table
from lode.figure import Looks, Table, flow_sets, flow_shares, gold_by_layer, house_style, stages
from lode.study import compose
from lode.table.flow import FLOW
from lode.table.lens import LENS
from lode.table.trace_tests import TRACE_TESTS
from tests.set_trace_run import write_set_traces
from tests.trace_run import write_trace

KEYS = [{"model": model, "dataset": "same_content_speech"} for model in ("tiny_qwen2_audio", "tiny_instructblip")] * 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    folder: Path = tmp_path_factory.mktemp("traced")
    paths = {**write_trace(folder), **write_set_traces(folder)}
    return {kind.name: read_table(paths[kind.name][0], kind) for kind in (FLOW, LENS, TRACE_TESTS)}


@pytest.fixture(scope="module")
def looks() -> Looks:
    return Looks(compose([]).grouping)


def check_apart(figure: Figure) -> None:
    """No title reaches into that of another panel, or out of the picture; nor does a line over all panels."""
    FigureCanvasAgg(figure).draw()
    shown: list[Axes] = [axes for axes in figure.axes if axes.get_visible()]
    titles: list[Text] = [axes._left_title for axes in shown]  # type: ignore[attr-defined]
    boxes = [title.get_window_extent() for title in titles]
    for box in (*boxes, *(text.get_window_extent() for axes in shown for text in axes.texts)):
        assert box.x1 <= figure.bbox.x1 + 1
    for at, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[at + 1 :]), titles[at].get_text()


def with_zero_sinks(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The rows, and those of the text as of sinks, of which there are none."""
    rows = table.to_pylist()
    sinks = [{**row, "group": "sink", **dict.fromkeys(columns, 0.0)} for row in rows if row["group"] == "text"]
    return pa.Table.from_pylist([*rows, *sinks], schema=table.schema)


def test_titles_of_gold_answers_are_apart(made: dict[str, pa.Table], looks: Looks) -> None:
    with house_style("gold_by_layer"):
        check_apart(gold_by_layer.draw({"lens": [Table(keys, made["lens"]) for keys in KEYS]}, looks))


def test_titles_of_sets_are_apart_and_sinks_that_are_none_have_no_panel(
    made: dict[str, pa.Table], looks: Looks
) -> None:
    keys = [{**each, "selection": "miner_10_percent", "intervention": "zero"} for each in KEYS[:2]]
    table = with_zero_sinks(made["trace_tests"], flow_sets.TAKEN)
    assert "sink" not in flow_sets.share_groups(table.to_pylist(), looks)
    taken = [{**row, "clean": 0.2} if row["group"] == "sink" else row for row in table.to_pylist()]
    assert flow_sets.share_groups(taken, looks)[-1] == "sink"
    with house_style("flow_sets"):
        check_apart(flow_sets.draw({"trace_tests": [Table(each, table) for each in keys]}, looks))


def test_shares_of_sinks_that_are_none_have_no_panel(made: dict[str, pa.Table], looks: Looks) -> None:
    def panels(table: pa.Table) -> list[str]:
        figure = flow_shares.draw({"flow": [Table(KEYS[0], table)]}, looks)
        return [axes.get_title(loc="left").split("\n")[-1] for axes in figure.axes if axes.get_visible()]

    without = made["flow"].filter(pa.compute.not_equal(made["flow"]["group"], "sink"))
    assert panels(with_zero_sinks(without, ["num_tokens"])) == panels(without)
    assert "sink" in panels(with_zero_sinks(without, ["mass"]))


@pytest.mark.parametrize(
    ("clean", "nulls", "said"),
    [
        ("yes", [], "yes"),
        ("yes", ["yes", "not_asked"], "yes"),
        ("yes", ["yes", "no"], "no"),
        ("yes", ["cannot_be_told", "yes"], "cannot_be_told"),
        ("cannot_be_told", ["no"], "no"),
        ("no", ["yes"], "no"),
    ],
)
def test_yes_is_said_where_every_null_is_beaten(clean: str, nulls: list[str], said: str) -> None:
    rows: list[dict[str, Any]] = [{"verdict": verdict} for verdict in nulls]
    assert stages.verdict_of({"verdict": clean}, rows) == said
