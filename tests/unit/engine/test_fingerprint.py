"""The code digest follows what code does: not its comments, docstrings and layout, nor modules out of reach."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lode.engine import fingerprint
from lode.engine.fingerprint import code_digest, imported_names, module_file, parsed
from lode.study import STUDY

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the code that may be edited."""
    for folder in ("lode", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    parsed.cache_clear()
    yield tmp_path
    parsed.cache_clear()


def digest_of(tree: Path, script: str = "select_neurons", *plugins: str, files: tuple[Path, ...] = ()) -> str:
    parsed.cache_clear()
    return code_digest(STUDY, tree / "scripts" / f"{script}.py", plugins or ("lode.selection.miner",), files)


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text()
    after = change(before)
    assert after != before, "the edit did nothing"
    path.write_text(after)


def other_docstrings(text: str) -> str:
    return re.sub(r'"""(.*?)"""', '"""Other words."""', text, flags=re.DOTALL)


def other_layout(text: str) -> str:
    return re.sub(r"\n\n\n", "\n\n\n\n\n", text).replace("(seed, ", "(\n        seed, ").rstrip() + "\n\n\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "# a remark\n" + text.replace("\n\n\ndef ", "\n\n\n# another\ndef "),
        other_docstrings,
        other_layout,
    ],
    ids=["comments", "docstrings", "layout"],
)
@pytest.mark.parametrize(
    "module", ["lode/stages/select_neurons.py", "lode/engine/tables.py", "lode/selection/miner.py"]
)
def test_looks_do_not_count(tree: Path, module: str, change: Callable[[str], str]) -> None:
    before = digest_of(tree)
    edit(tree / module, change)
    assert digest_of(tree) == before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("scripts/select_neurons.py", '"select_neurons"', '"score_ablation"'),
        ("lode/stages/select_neurons.py", "sorted(kinds)", "list(kinds)"),
        ("lode/engine/tables.py", '"zstd"', '"gzip"'),  # imported by the stage
        (
            "lode/importance/__init__.py",
            '"prob", "mean", "max"',
            '"prob", "max", "mean"',
        ),  # imported by what the stage imports
        ("lode/selection/miner.py", "replace=False", "replace=True"),  # the plug-in
        ("lode/selection/__init__.py", 'kind="stable"', 'kind="heapsort"'),  # what plug-ins share
        ("lode/table/neurons.py", '"rank", "0 is', '"place", "0 is'),  # the table that the stage writes
        ("lode/table/_neuron.py", '"layer", pa.int16()', '"layer", pa.int32()'),  # what it shares with others
    ],
)
def test_what_code_does_counts(tree: Path, module: str, old: str, new: str) -> None:
    before = digest_of(tree)
    edit(tree / module, lambda text: text.replace(old, new, 1))
    assert digest_of(tree) != before


def test_a_module_reached_through_two_others_counts(tree: Path) -> None:
    """select -> first -> second."""
    (tree / "lode" / "first.py").write_text("def one():\n    from lode.second import two\n    return two()\n")
    (tree / "lode" / "second.py").write_text("def two():\n    return 2\n")
    edit(tree / "lode" / "stages" / "select_neurons.py", lambda text: text + "\nfrom lode.first import one\n")
    before = digest_of(tree)
    edit(tree / "lode" / "second.py", lambda text: text.replace("return 2", "return 3"))
    assert digest_of(tree) != before


def test_a_package_counts_as_its_init(tree: Path) -> None:
    before = digest_of(tree, "prepare_dataset", "lode.dataset.toy_mmlu")
    edit(
        tree / "lode" / "dataset" / "__init__.py",
        lambda text: text.replace("answer_index: int = -1", "answer_index: int = -2"),
    )
    assert digest_of(tree, "prepare_dataset", "lode.dataset.toy_mmlu") != before


@pytest.mark.parametrize(
    "module",
    [
        "lode/checks/steps.py",
        "lode/config.py",
        "lode/cards/__init__.py",
        "lode/cards/_keys.py",
        "lode/cards/facts.py",
        "lode/cards/internals.py",
        "lode/study.py",
        "lode/engine/plan.py",
        "lode/engine/compose.py",
        "lode/checks/model_folder.py",
        "lode/engine/errors.py",
        "lode/stages/plot_figures.py",
        "lode/stages/capture_activations.py",
        "lode/dataset/toy_mmlu.py",
        "lode/intervention/zero.py",
        "lode/model/adapter.py",
        "lode/table/__init__.py",
        "lode/table/effects.py",
        "lode/table/_drop.py",
    ],
)
def test_what_no_number_depends_on_does_not_count(tree: Path, module: str) -> None:
    before = digest_of(tree)
    edit(tree / module, lambda text: text + "\nEXTRA = 1\n")
    assert digest_of(tree) == before


def test_only_the_plugin_that_is_named_counts(tree: Path) -> None:
    before = digest_of(tree, "prepare_dataset", "lode.dataset.toy_mmlu")
    edit(tree / "lode" / "dataset" / "toy_caption.py", lambda text: text.replace("SIDE = 84", "SIDE = 56"))
    assert digest_of(tree, "prepare_dataset", "lode.dataset.toy_mmlu") == before
    assert digest_of(tree, "prepare_dataset", "lode.dataset.toy_caption") != before


def test_scripts_have_digests_of_their_own(tree: Path) -> None:
    names = [path.stem for path in (tree / "scripts").glob("*.py")]
    assert len({digest_of(tree, name) for name in names}) == len(names) >= 10


def test_files_count_by_content(tree: Path) -> None:
    templates = STUDY.steps["build_report"].files
    assert len(templates) > 5
    copies = [tree / template for template in templates]
    before = digest_of(tree, "build_report", files=copies)
    for copy in copies:
        edit(copy, lambda text: text + " ")
        after = digest_of(tree, "build_report", files=copies)
        assert after != before, copy
        before = after


def test_the_digest_is_of_text_alone(tree: Path) -> None:
    """Not of where the code lies, or when it was written."""
    assert digest_of(tree) == digest_of(ROOT)
    assert digest_of(tree).startswith("d")


def test_modules_of_others_are_left_out() -> None:
    assert module_file(STUDY, "numpy") is None
    assert module_file(STUDY, "lode.engine.tables") == ROOT / "lode" / "engine" / "tables.py"
    assert module_file(STUDY, "lode.dataset") == ROOT / "lode" / "dataset" / "__init__.py"
    assert module_file(STUDY, "lode.engine.tables.read_table") is None


def test_imports_are_found_wherever_they_stand() -> None:
    import ast

    text = "import a.b as c\ndef f():\n    from d import e\nclass G:\n    from h.i import (j, k)\n"
    assert set(imported_names(ast.parse(text))) == {"a.b", "d", "d.e", "h.i", "h.i.j", "h.i.k"}
