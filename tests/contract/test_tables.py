"""Every table: its file, the units and descriptions of its columns, and who else is concerned when it changes."""

import ast
import sys
from pathlib import Path
from subprocess import run

import pytest

from lode.engine.errors import UserError
from lode.engine.tables import Table, label, meaning
from lode.table import known_tables, table_of
from lode.table.effects import EFFECTS
from lode.validation import FIGURE_TABLES
from workflow.fingerprint import ROOT, module_file, parsed

STAGES = Path("lode") / "stages"
#: What each stage reads and writes, the provenance of a table aside.
TABLES = {
    "ablate": {"dataset", "importance", "neurons", "predictions"},
    "aggregate": {"importance", "statistics"},
    "attribute": {"dataset", "gradients"},
    "capture": {"dataset", "statistics"},
    "compare": {"ratings", "scoreboard"},
    "download": set(),
    "judge": {"selectivity", "verdicts"},
    "measure": {"comparisons", "effects", "sample_scores", "selectivity"},
    "plant": {"dataset", "proof", "truth"},
    "plot": set(),  # those of its figure: `table_of`
    "pool": {"gradients"},
    "prepare": {"dataset"},
    "rate": {"gradients", "importance", "ratings", "truth"},
    "report": {"comparisons", "dataset", "effects", "neurons", "scores", "selectivity", "verdicts"},
    "retest": {"gradients", "importance", "retests", "statistics"},
    "score": {"dataset", "effects", "predictions", "sample_scores", "scores"},
    "select": {"gradients", "importance", "neurons"},
    "train": set(),
}


def reached(module: Path) -> set[str]:
    """The tables that a module, or one that it imports, imports."""
    seen: set[str] = set()
    left = [ROOT / module]
    while left:
        names = set(parsed(left.pop())[1]) - seen
        seen |= names
        left += filter(None, map(module_file, names))
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
    schema = table_of(name).schema
    assert len(set(schema.names)) == len(schema.names) > 0
    for field in schema:
        assert set(field.metadata or {}) == {b"unit", b"description"}, field.name
        assert all(field.metadata.values()), field.name


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


def test_the_stages_are_all_listed() -> None:
    assert {path.stem for path in (ROOT / STAGES).glob("[!_]*.py")} == set(TABLES)


@pytest.mark.parametrize("stage", TABLES)
def test_a_stage_is_concerned_by_its_own_tables_alone(stage: str) -> None:
    """A change of another table, which it neither reads nor writes, leaves its results as they are."""
    assert reached(STAGES / f"{stage}.py") == TABLES[stage]
