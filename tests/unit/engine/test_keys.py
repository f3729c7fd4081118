"""Columns that the path of a file says."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from lode.engine.errors import UserError
from lode.engine.fields import field
from lode.engine.tables import REPEATED, Table, read_table, repeated, write_rows, write_table
from lode.engine.verify import strangers

MEALS = Table(
    "meals",
    pa.schema([field("grams", pa.int64(), "g", "what it weighs")]),
    keys=(field("oven", pa.string(), "name", "where"), field("flour", pa.string(), "name", "of what")),
    path=("oven", "flour", "batch"),
)
PLAIN = Table("plain", MEALS.schema)


def test_the_last_parts_of_a_path_are_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "any/steel/wheat.v1/0.parquet"
    write_table(path, MEALS, {"grams": [7, 8]}, {})
    found = pq.ParquetFile(path).read()
    assert found.to_pydict() == {"oven": ["steel"] * 2, "flour": ["wheat.v1"] * 2, "grams": [7, 8]}
    assert found.schema.field("flour").metadata[b"description"] == b"of what"
    assert MEALS.said_by("steel/rye/3.parquet") == {"oven": "steel", "flour": "rye"}


def test_rows_written_one_by_one_have_them_too(tmp_path: Path) -> None:
    path = tmp_path / "steel/rye/0.parquet"
    write_rows(path, MEALS, ({"grams": grams} for grams in range(5)), {}, group_size=2)
    assert pq.ParquetFile(path).read().to_pydict() == {
        "oven": ["steel"] * 5,
        "flour": ["rye"] * 5,
        "grams": [*range(5)],
    }


def test_an_empty_table_has_the_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "0.parquet", MEALS, [], {})
    assert read_table(tmp_path / "0.parquet", MEALS).column_names == ["oven", "flour", "grams"]


def test_one_scan_of_a_folder_is_one_table(tmp_path: Path) -> None:
    for oven, grams in (("steel", 1), ("stone", 10)):
        write_table(tmp_path / f"{oven}/rye/0.parquet", MEALS, {"grams": [grams, grams]}, {})
    found = ds.dataset(tmp_path).to_table().group_by("oven").aggregate([("grams", "sum")]).sort_by("oven")
    assert found.to_pydict() == {"oven": ["steel", "stone"], "grams_sum": [2, 20]}


def test_a_column_that_says_otherwise_than_the_path_is_found(tmp_path: Path) -> None:
    path = tmp_path / "steel/rye/0.parquet"
    write_rows(path, MEALS, ({"grams": grams} for grams in range(3)), {}, group_size=1)
    assert not list(strangers(path, {"oven": "steel", "flour": "rye", "batch": "0"}))
    (found,) = strangers(path, {"oven": "stone", "flour": "rye", "batch": "0"})
    assert found == "its path says oven stone, and its rows steel: it is of another job"
    mixed = pa.table({"oven": ["steel", "stone"], "grams": [1, 2]})
    pq.write_table(mixed, path, row_group_size=1)
    (found,) = strangers(path, {"oven": "stone"})
    assert found == "its path says oven stone, and its rows steel, stone: it is of another job"


def test_keys_are_read_as_dictionaries(tmp_path: Path) -> None:
    write_table(tmp_path / "steel/rye/0.parquet", MEALS, {"grams": [7]}, {})
    oven = read_table(tmp_path / "steel/rye/0.parquet", MEALS)["oven"]
    assert pa.types.is_dictionary(oven.type)
    assert oven.to_pylist() == ["steel"]


@pytest.mark.parametrize("path", ["0.parquet", "rye/0.parquet", "/rye/0.parquet"])
def test_a_path_that_does_not_say_them_is_refused_before_anything_is_written(path: str) -> None:
    with pytest.raises(UserError, match=r"its columns oven, flour from its path.*<oven>/<flour>/<batch>\.parquet"):
        write_table(path, MEALS, {"grams": [7]}, {})
    with pytest.raises(UserError, match=r"its columns oven, flour from its path"):
        write_rows(path, MEALS, [{"grams": 7}], {})


def test_a_file_without_them_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "0.parquet", PLAIN, {"grams": [7]}, {})
    with pytest.raises(UserError, match="missing column 'oven', 'flour'; a meals table has oven, flour, grams"):
        read_table(tmp_path / "0.parquet", MEALS)


@pytest.mark.parametrize("length", [0, 1, REPEATED, 2 * REPEATED + 3])
def test_a_repeated_column_shares_its_memory(length: int) -> None:
    column = repeated("steel", length)
    assert len(column) == length
    assert pc.all(pc.equal(column, "steel"), min_count=0).as_py()
    assert len({chunk.buffers()[2].address for chunk in column.chunks}) <= 1
