"""A seal holds while nothing changed, and shows any change of any byte."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lode.engine.seal import BLANK, beside, damage, seal
from lode.engine.tables import write_table
from lode.table.neurons import NEURONS
from tests.tables import neuron_rows

MADE_BY = {"config": {}, "code_digest": "unknown"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "neurons.parquet"
    write_table(path, NEURONS, neuron_rows({"text": [(0, 1), (1, 2)]}), MADE_BY)
    return path


def test_an_untouched_file_is_whole(table: Path) -> None:
    assert damage(table) == ""


def test_a_flipped_bit_shows_wherever_it_is(table: Path) -> None:
    """Data pages, footer, and the seal itself."""
    content = table.read_bytes()
    seal_starts = content.index(b"lode-seal-")
    for place in [*random.Random(0).sample(range(len(content)), 300), *range(seal_starts, seal_starts + 74)]:
        table.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert damage(table), place
    table.write_bytes(content)
    assert damage(table) == ""


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_file_shows(table: Path, kept: float) -> None:
    content = table.read_bytes()
    table.write_bytes(content[: int(kept * len(content))])
    assert damage(table)


def test_a_value_edited_and_written_with_all_metadata_shows(table: Path) -> None:
    whole, metadata = pq.read_table(table), pq.ParquetFile(table).metadata.metadata
    place = whole.column_names.index("score")
    edited = whole.set_column(place, whole.schema.field("score"), pa.array([9.0] * whole.num_rows, whole["score"].type))
    with pq.ParquetWriter(table, edited.schema, compression="zstd") as writer:
        writer.add_key_value_metadata({k: v for k, v in metadata.items() if k != b"ARROW:schema"})
        writer.write_table(edited)
    assert "not what was written" in damage(table)


def test_the_seal_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "ab"]
    for file in files:
        file.write_text(f"words {BLANK} and more")
        seal(file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert BLANK not in files[0].read_text()


@pytest.mark.parametrize("text", ["no seal", f"{BLANK} {BLANK}"])
def test_a_file_is_written_with_one_seal(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(AssertionError, match="a file has one"):
        seal(tmp_path / "a")
    assert "its seal is gone" in damage(tmp_path / "a")


def test_files_beside_are_named_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert beside(tmp_path / "a", tmp_path / "b") == {"beside": {"b": empty}}
