"""Traces under sets compared: planted changes are named, equal ones are not, and tables that do not fit are refused."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.neurons import SetKey
from lode.stages.compare_traces import CLEAN, OF_FLOW, OF_LENS, cells_of, keys_of, rows_of_sets
from lode.statistics.ranked import ranked_sets
from lode.table.set_flow_samples import SET_FLOW_SAMPLES
from lode.table.set_lens_samples import SET_LENS_SAMPLES
from tests.set_trace_run import NUM_CONTROLS, NUM_STATES, flow_rows, lens_rows, set_keys

FACTS: dict[str, Any] = {}


def compared(lens: list[dict[str, Any]], flow: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tables = [pa.Table.from_pylist(rows, schema=kind.schema)
              for rows, kind in ((lens, SET_LENS_SAMPLES), (flow, SET_FLOW_SAMPLES))]  # fmt: skip
    cells = {**cells_of(tables[0], OF_LENS), **cells_of(tables[1], OF_FLOW)}
    return rows_of_sets(ranked_sets(keys_of(tables[0]), FACTS), cells)


def test_a_planted_loss_is_named_where_it_is_and_nowhere_else() -> None:
    """`image` takes 2 nats of the answer from state 2 on, and the image's share at layer 1; nothing else."""
    rows = compared(lens_rows(), flow_rows())
    named = {(row["set_name"], row["measure"], row["group"], row["layer"]) for row in rows
             if row["p_corrected"] is not None and row["p_corrected"] <= 0.05}  # fmt: skip
    planted = {("image", "gold_logp", "last", layer) for layer in range(2, NUM_STATES)}
    planted |= {("image", measure, "image", 1) for measure in OF_FLOW}
    assert planted <= named
    assert len(named - planted) <= 2
    (row,) = (row for row in rows if (row["set_name"], row["measure"], row["layer"]) == ("image", "gold_logp", 2))
    assert row["num_controls"] == NUM_CONTROLS
    assert row["difference"] == pytest.approx(-2, abs=0.1)
    assert row["control_min"] > -0.5


def test_order_of_rows_and_of_sets_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    lens, flow = lens_rows(), flow_rows()
    before = compared(lens, flow)
    mixed = compared([lens[at] for at in rng.permutation(len(lens))], flow)
    by_key = {(row["set_name"], row["measure"], row["group"], row["layer"]): row for row in mixed}
    assert all(by_key[row["set_name"], row["measure"], row["group"], row["layer"]] == row for row in before)


def test_sets_of_other_samples_are_refused() -> None:
    lens = lens_rows()
    lens = [row for row in lens if (row["set_name"], row["sample_id"]) != ("image", "s0")]
    with pytest.raises(UserError, match="sets differ in their samples"):
        compared(lens, flow_rows())
    renamed = [{**row, "sample_id": "other" if (row["set_name"], row["sample_id"]) == ("image", "s0") else
                row["sample_id"]} for row in lens_rows()]  # fmt: skip
    with pytest.raises(UserError, match="sets differ in their samples"):
        compared(renamed, flow_rows())


def test_controls_of_two_kinds_have_rows_each_and_the_headline_alone_is_corrected() -> None:
    keys = set_keys()
    sham = SetKey("image_sham", "control", "image", "sham", 0)
    lens = lens_rows([*keys, sham])
    rows = compared(lens, flow_rows([*keys, sham]))
    kinds = {row["control_kind"]: row["verdict"] for row in rows if row["set_name"] == "image"}
    assert set(kinds) == {"magnitude_matched", "sham"}
    of_sham = [row for row in rows if row["control_kind"] == "sham"]
    assert {row.get("p_corrected") for row in of_sham if row["set_name"] == "image"} == {None}
    assert {row["verdict"] for row in of_sham} == {"too_few_controls"}
    assert CLEAN not in {row["set_name"] for row in rows}
