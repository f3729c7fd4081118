"""The comparison that every change which must move no number is held to."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lode.engine.errors import UserError
from workflow.same_tables import compare, renames

ROWS: dict[str, list[Any]] = {"name": ["a", "b"], "value": [0.1, float("nan")], "many": [[1.0, float("nan")], None]}


def write(folder: Path, name: str, columns: dict[str, list[Any]]) -> None:
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
