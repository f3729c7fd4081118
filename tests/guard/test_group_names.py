"""What compares knows no group and no site by name: only a grouping, and what is about media or tokens, do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lode.engine.fingerprint import without_docstrings
from lode.grouping.modality import GROUPS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "checks",
    "selection",
    "control",
    "importance",
    "intervention",
    "recording",
    "scoring",
    "figure",
    "statistics",
    "page",
    "stages",
    "library",
)
FILES = [path for package in PACKAGES for path in sorted((ROOT / "lode" / package).rglob("*.py"))]
#: Words that stand in the code for a reason, by file.
ALLOWED = {
    "checks/dataset.py": {"modalities": "a fact of the data: `dataset.modalities`"},
    "checks/experiment.py": {"LM_GATE": "gradients are of the gate: other sites have no tokens"},
    "checks/planting.py": {"LM_GATE": "what is planted there is of kinds of tokens, elsewhere of rows of media"},
    "intervention/_reference.py": {"LM_GATE": "no means are known elsewhere"},
    "intervention/_acting.py": {"LM_GATE": "no means are known elsewhere"},
    "library/answering.py": {"prompt": "a column of the dataset table"},
    "library/cutting.py": {"gate": "refuses at the site that every pass goes through"},
    "library/neuron_lists.py": {"LM_GATE": "a list without sites is of the site that every model has"},
    "library/shown.py": {
        "image": "a kind of medium: the endings of its files",
        "video": "a kind of medium: the endings of its files",
        "audio": "a kind of medium: the endings of its files",
    },
    "library/switching.py": {"gate": "refuses at the site that every pass goes through"},
    "recording/_gate.py": {
        "Gate": "the one site that is weighed by attention",
        "LM_GATE": "the one site that is weighed by attention",
    },
    "recording/_totals.py": {"LM_GATE": "gradients are of the gate, and say no site"},
    "recording/activations.py": {
        "Gate": "the one site that is weighed by attention",
        "LM_GATE": "the one site that is weighed by attention",
    },
    "recording/words.py": {"image": "a kind of medium: the one that has patches beside and below each other"},
    "recording/gradients.py": {
        "LM_GATE": "gradients are of the gate: other sites have no tokens",
        "see_gate": "gradients are of the gate: other sites have no tokens",
        "gate": "gradients are of the gate: other sites have no tokens",
    },
    "stages/align_states.py": {"prompt": "a column of the dataset table"},
    "stages/capture_nulls.py": {"prompt": "a column of the dataset table"},
    "selection/_sites.py": {"LM_GATE": "what is drawn there goes by the seed itself, as when it was the only site"},
    "stages/compare_models.py": {"LM_GATE": "the site that two models around one language model have in common"},
    "stages/compare_selectors.py": {"text": "the page beside the table: `io.text`"},
    "stages/prepare_dataset.py": {
        "modalities": "a fact of the data: `dataset.modalities`",
        "prompt": "a column of the dataset table",
    },
}


def name_of(path: Path) -> str:
    """A file from the folder of the library."""
    return path.relative_to(ROOT / "lode").as_posix()


def words(path: Path) -> Iterator[str]:
    """The names in the code of a file that say modality or gate, and its texts that are a name of a modality."""
    for node in ast.walk(without_docstrings(ast.parse(path.read_text()))):
        if isinstance(node, ast.Constant) and node.value in GROUPS:
            yield node.value
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str) and ("modalit" in name.lower() or "gate" in name.lower().split("_")):
                yield name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_group_is_known_by_name(path: Path) -> None:
    name = name_of(path)
    assert set(words(path)) == set(ALLOWED.get(name, {})), name
