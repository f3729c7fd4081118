"""Every table: its file, the units and descriptions of its columns, and who else is concerned when it changes."""

import ast
import sys
from pathlib import Path
from subprocess import run

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lode.cards import CARDS
from lode.cards.facts import FIGURE_TABLES
from lode.engine.errors import UserError
from lode.engine.fingerprint import ROOT, module_file, parsed
from lode.engine.study import Card, wildcards_of
from lode.engine.tables import Table, label, meaning
from lode.study import STUDY
from lode.table import known_tables, table_of
from lode.table._keys import keys_of
from lode.table.effects import EFFECTS
from tests.shift_run import write_shifts
from tests.tables import write_datasets, write_retests, write_run

STAGES = Path("lode") / "stages"
#: What a stage makes in memory on its way, as another step writes it.
ON_THE_WAY = {
    "retest_selections": {"importance", "attributions"},
    "capture_nulls": {"statistics"},
    "measure_domains": {"importance"},
    "profile_layers": {"importance"},
    "trace_sets": {"lens_samples", "flow_samples"},
}


def reached(module: Path) -> set[str]:
    """The tables that a module, or one that it imports, imports."""
    seen: set[str] = set()
    left = [ROOT / module]
    while left:
        names = set(parsed(STUDY, left.pop())[1]) - seen
        seen |= names
        left += filter(None, (module_file(STUDY, name) for name in names))
    return {name for name in known_tables() if f"lode.table.{name}" in seen}


@pytest.mark.parametrize("name", known_tables())
def test_a_table_has_its_name_and_says_what_a_row_is(name: str) -> None:
    table = table_of(name)
    assert table.name == name
    assert isinstance(table, Table)
    tree = ast.parse((ROOT / "lode" / "table" / f"{name}.py").read_text())
    assert "row" in (ast.get_docstring(tree) or "")


@pytest.mark.parametrize("name", known_tables())
def test_every_column_has_unit_and_description(name: str) -> None:
    schema = table_of(name).columns
    assert len(set(schema.names)) == len(schema.names) > 0
    for field in schema:
        assert set(field.metadata or {}) == {b"unit", b"description"}, field.name
        assert all(field.metadata.values()), field.name


@pytest.mark.parametrize("name", known_tables())
def test_a_table_has_the_columns_that_its_path_on_the_card_says(name: str) -> None:
    """Each wildcard is a column, in the order of the path and before all others; a shard is in the path alone."""
    table, said = table_of(name), wildcards_of(STUDY.column_names(STUDY.pattern(name)))
    assert table.path == said
    columns = [key for key in said if key not in STUDY.numbers]
    assert table.columns.names[: len(columns)] == columns
    assert [key.name for key in table.keys] == [key for key in columns if key not in table.schema.names]
    assert all(key.type == pa.string() and not key.nullable for key in table.keys)


def test_a_planted_model_is_a_model() -> None:
    assert table_of("ratings").path == ("model", "selection")
    assert STUDY.pattern("ratings") == "rate_selectors/{planting}/{selection}.parquet"


def test_every_file_of_a_run_has_what_its_path_says(tmp_path: Path) -> None:
    paths = {**write_run(tmp_path), "retests": write_retests(tmp_path), "dataset": write_datasets(tmp_path, ("quiz",))}
    paths |= write_shifts(tmp_path, paths["effects"])
    for name, files in paths.items():
        for path in files:
            rows = pq.ParquetFile(path).read()
            for key, value in keys_of(name, path).items():
                assert set(rows[key].to_pylist()) == {value}, (path, key)
                assert rows.schema.field(key).type == pa.string()


def test_an_unknown_table_is_refused_with_the_near_ones() -> None:
    with pytest.raises(UserError, match=r"unknown table 'efects'.*Did you mean effects"):
        table_of("efects")
    with pytest.raises(UserError, match="unknown table '_dense'"):
        table_of("_dense")


def test_figures_may_name_tables_that_there_are() -> None:
    assert set(FIGURE_TABLES) <= set(known_tables())


def test_labels_come_from_the_columns() -> None:
    assert meaning(EFFECTS, "share") == "drop / (clean - chance); null where it is not measurable"
    assert label(EFFECTS, "share") == "drop / (clean - chance); null where it is not measurable [share]"


def test_the_folder_imports_no_table_by_itself() -> None:
    """Else every step would be concerned by every table."""
    program = "import sys, lode.table; print([n for n in sys.modules if n.startswith('lode.table.')])"
    assert run([sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_a_stage_is_concerned_by_the_tables_on_its_card_alone(card: Card) -> None:
    """A change of another table leaves its results as they are; of some that it reads it takes the provenance alone."""
    read, written = {r.table for r in card.reads}, set(card.writes)
    own = set(known_tables())
    found = reached(STAGES / f"{card.name}.py")
    assert written & own <= found <= (read | written) & own | ON_THE_WAY.get(card.name, set())
