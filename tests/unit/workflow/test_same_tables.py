"""The comparison that every change which must move no number is held to."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lode.engine.errors import UserError
from workflow.same_tables import compare, renames, same

ROWS: dict[str, list[Any]] = {"name": ["a", "b"], "value": [0.1, float("nan")], "many": [[1.0, float("nan")], None]}


def write(folder: Path, name: str, columns: Mapping[str, list[Any] | pa.Array]) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / name)


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (ROWS, None),
        ({**ROWS, "further": [1, 2]}, None),
        ({**ROWS, "value": [float(np.nextafter(0.1, 1)), float("nan")]}, "1 of 2 rows differ, first row 0: 0.1, now"),
        ({**ROWS, "value": [0.1, 0.0]}, "column value: 1 of 2 rows differ, first row 1: nan, now 0.0"),
        ({**ROWS, "many": [[1.0, 2.0], None]}, "column many: 1 of 2"),
        ({name: column[::-1] for name, column in ROWS.items()}, "column name: 2 of 2"),
        ({name: column[:1] for name, column in ROWS.items()}, "2 rows before, 1 after"),
        ({"name": ROWS["name"], "many": ROWS["many"]}, "column value is gone"),
    ],
)
def test_a_number_that_moves_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], after: dict[str, list[Any]], says: str | None
) -> None:
    before, now = tmp_path / "before", tmp_path / "after"
    write(before, "m/t.parquet", ROWS)
    write(now, "m/t.parquet", after)
    assert compare(before, now, {}, {}) == (says is not None)
    printed = capsys.readouterr().out
    assert "1 tables, " in printed
    assert (says or "none differ") in printed


STRUCTS = [{"zero": [0.0]}, None]
FLOAT, DOUBLE, INT = pa.float32(), pa.float64(), pa.int64()


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        (pa.array([0.0, 1.0]), pa.array([0.0, 1.0]), None),
        (pa.array([-0.0, 1.0]), pa.array([-0.0, 1.0]), None),
        (pa.array([1.0, 0.0]), pa.array([1.0, -0.0]), "1 of 2 rows differ, first row 1: 0.0, now -0.0"),
        (pa.array([math.nan, 0.0]), pa.array([math.nan, -0.0]), "1 of 2 rows differ, first row 1: 0.0, now -0.0"),
        (pa.array([math.nan, None]), pa.array([-math.nan, None]), None),
        (pa.array([[1.0, 0.0], None]), pa.array([[1.0, -0.0], None]), "1 of 2 rows differ, first row 0"),
        (pa.array([[[0.0]], [[], None]]), pa.array([[[0.0]], [[], None]]), None),
        (pa.array([[[0.0]], [[], None]]), pa.array([[[-0.0]], [[], None]]), "1 of 2 rows differ"),
        (pa.array(STRUCTS), pa.array(STRUCTS), None),
        (pa.array(STRUCTS), pa.array([{"zero": [-0.0]}, None]), "1 of 2 rows differ"),
        (pa.array([1.0, 2.0]), pa.array([1, 2]), "of type double, now int64"),
        (pa.array([1.0, 0.0]), pa.array([True, False]), "of type double, now bool"),
        (pa.array([1.0, 0.0], DOUBLE), pa.array([1.0, 0.0], FLOAT), "of type double, now float"),
        (pa.array([[1.0]], pa.list_(DOUBLE)), pa.array([[1.0]], pa.list_(FLOAT)), "now list<element: float>"),
        (pa.array([{"a": 1.0}]), pa.array([{"a": 1}]), "now struct<a: int64>"),
        (pa.array([None], INT), pa.array([None], DOUBLE), "of type int64, now double"),
        (pa.array(["a", None]), pa.array(["a", None]).dictionary_encode(), None),
        (pa.array(["a", "b"]).dictionary_encode(), pa.array(["b", "a"]).dictionary_encode(), "2 of 2 rows differ"),
        (pa.array(["a", "b"]).dictionary_encode(), pa.array(["a", "c"]), "first row 1: 'b', now 'c'"),
        (pa.array([0.0]).dictionary_encode(), pa.array([-0.0]).dictionary_encode(), "0.0, now -0.0"),
        (pa.array(["1"]).dictionary_encode(), pa.array([1]), "values=string, indices=int32, ordered=0>, now int64"),
        (pa.array([["a"]]), pa.array([["a"]], pa.list_(pa.dictionary(pa.int32(), pa.string()))), None),
        (pa.array([]), pa.array([]), None),
    ],
)
def test_a_type_or_a_sign_that_changes_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], was: pa.Array, now: pa.Array, says: str | None
) -> None:
    write(tmp_path / "before", "t.parquet", {"one": was})
    write(tmp_path / "after", "t.parquet", {"one": now})
    assert compare(tmp_path / "before", tmp_path / "after", {}, {}) == (says is not None)
    printed = capsys.readouterr().out
    assert (says or "none differ") in printed


@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (1.0, True), (0, False), (None, 0.0), ("1", 1)])
def test_values_of_two_types_are_not_the_same(before: Any, after: Any) -> None:
    assert same(before, before)
    assert not same(before, after)
    assert not same([before], [after])
    assert not same({"a": before}, {"a": after})


def test_moved_files_and_renamed_columns_are_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "before", "capture/m/t.parquet", ROWS)
    write(tmp_path / "after", "capture_activations/m/t.parquet", {"key": ROWS["name"], **ROWS})
    places, columns = renames([r"^capture/(\w+)/=capture_activations/\1/"]), renames(["name=key"])
    assert compare(tmp_path / "before", tmp_path / "after", places, columns) == 0
    assert compare(tmp_path / "before", tmp_path / "after", {}, {}) == 1
    assert "missing after" in capsys.readouterr().out


def test_a_text_may_get_another_word_and_no_other(tmp_path: Path) -> None:
    write(tmp_path / "before", "t.parquet", ROWS)
    write(tmp_path / "after", "t.parquet", {**ROWS, "name": ["z", "b"]})
    assert compare(tmp_path / "before", tmp_path / "after", {}, {}, renames(["a=z"])) == 0
    assert compare(tmp_path / "before", tmp_path / "after", {}, {}, renames(["b=z"])) == 1


def test_a_folder_without_tables_is_no_proof(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no table"):
        compare(tmp_path, tmp_path, {}, {})
    with pytest.raises(UserError, match="expected old=new"):
        renames(["a"])
