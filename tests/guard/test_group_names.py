"""What compares knows no group and no site by name: only a grouping, and what is about media or tokens, do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lode.engine.fingerprint import without_docstrings
from lode.grouping.modality import GROUPS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("checks", "selection", "control", "importance", "intervention", "figure", "statistics", "stages")
FILES = [path for package in PACKAGES for path in sorted((ROOT / "lode" / package).glob("*.py"))]
#: Words that stand in the code for a reason, by file.
ALLOWED = {
    "checks/dataset.py": {"modalities": "a fact of the data: `dataset.modalities`"},
    "intervention/_reference.py": {"LM_GATE": "no means are known elsewhere"},
    "intervention/_acting.py": {"LM_GATE": "no means are known elsewhere"},
    "stages/compare_selectors.py": {"text": "the page beside the table: `io.text`"},
    "stages/prepare_dataset.py": {
        "modalities": "a fact of the data: `dataset.modalities`",
        "prompt": "a column of the dataset table",
    },
}


def words(path: Path) -> Iterator[str]:
    """The names in the code of a file that say modality or gate, and its texts that are a name of a modality."""
    for node in ast.walk(without_docstrings(ast.parse(path.read_text()))):
        if isinstance(node, ast.Constant) and node.value in GROUPS:
            yield node.value
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str) and ("modalit" in name.lower() or "gate" in name.lower().split("_")):
                yield name


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_group_is_known_by_name(path: Path) -> None:
    name = f"{path.parent.name}/{path.name}"
    assert set(words(path)) == set(ALLOWED.get(name, {})), name
