"""The rules of the house: sizes, names, docstrings, who imports whom, and what is in the repository."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lode.table import known_tables
from lode.validation import known_plugins

ROOT = Path(__file__).resolve().parents[2]
TRACKED = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, text=True, capture_output=True, check=True,
    ).stdout.split("\0")
    if name and (ROOT / name).is_file()
]  # fmt: skip
CODE = [path for path in TRACKED if path.suffix == ".py"]
LIBRARY = [path for path in CODE if path.relative_to(ROOT).parts[0] in ("lode", "workflow")]
SCRIPTS = [path for path in CODE if path.parent == ROOT / "scripts"]
STAGES = [path for path in CODE if path.parent == ROOT / "lode" / "stages"]
RULE_FILES = [path for path in TRACKED if path.suffix == ".smk"]
Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Modules that are imported while the job graph is built.
TORCH_FREE = [
    "lode.config",
    "lode.validation",
    "lode.engine.tables",
    "workflow.pipeline",
    "workflow.recorded",
    *(f"lode.table.{name}" for name in known_tables()),
    *(
        f"lode.{group}.{name}"
        for group in ("dataset", "selection", "scoring", "control")
        for name in known_plugins(group)
    ),
    *(
        f"lode.stages.{name}"
        for name in (
            "download",
            "prepare",
            "aggregate",
            "select",
            "rate",
            "compare",
            "retest",
            "score",
            "plot",
            "report",
        )
    ),
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[Function]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function)]


def imports(path: Path) -> set[str]:
    """Every dotted name that the file imports, absolute."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)}: relative imports escape the code digest"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


each_file = pytest.mark.parametrize("path", CODE, ids=name_of)
each_script = pytest.mark.parametrize("path", SCRIPTS, ids=name_of)


def test_the_guard_sees_the_project() -> None:
    assert len(CODE) > 50
    assert len(SCRIPTS) >= 10
    assert len(STAGES) >= 10
    assert len(RULE_FILES) == 6


@each_file
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    for function in functions(path):
        first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
        assert (function.end_lineno or 0) - first + 1 <= 60, function.name


@each_script
def test_scripts_are_thin(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 40
    assert "run_step(" in path.read_text()
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_rule_has_a_script_of_its_name_and_the_reverse() -> None:
    rules = {}
    for path in RULE_FILES:
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)+)", path.read_text(), re.MULTILINE):
            rules[name] = body
    assert set(rules) == {path.stem for path in SCRIPTS}
    for name, body in rules.items():
        assert f'"{name}.py"' in body, f"rule {name} runs another script"
        for directive in ("output:", "log:", "benchmark:", "resources:", "params:"):
            assert directive in body, f"rule {name} has no {directive}"
        assert f'"<logs>/{name}' in body
        assert f'"<benchmarks>/{name}' in body


@pytest.mark.parametrize("path", RULE_FILES, ids=name_of)
def test_rule_files_say_what_they_read_and_write(path: Path) -> None:
    text = path.read_text()
    docstring = re.match(r'"""(.+?)"""', text, re.DOTALL)
    assert docstring
    assert "->" in docstring[1]
    for rule in re.findall(r"^rule (\w+):", text, re.MULTILINE):
        assert rule in docstring[1]


def test_no_drawer_for_odds_and_ends() -> None:
    names = {"utils", "util", "helpers", "misc", "common", "tools"}
    assert not [name_of(path) for path in CODE if {path.stem, *path.relative_to(ROOT).parts[:-1]} & names]


def test_names_of_test_files_are_unique() -> None:
    names = [p.name for p in CODE if p.relative_to(ROOT).parts[0] == "tests" and p.name != "conftest.py"]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or not tree.body, "the module"
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node) or node.name.endswith("Config"), node.name


def test_a_stage_reads_tables_not_stages() -> None:
    for path in STAGES:
        assert not {name for name in imports(path) if name.startswith("lode.stages")}, name_of(path)
        assert not {name for name in imports(path) if name.startswith("workflow")}, name_of(path)


def test_the_library_does_not_know_the_workflow_or_the_tests() -> None:
    for path in LIBRARY:
        names = imports(path)
        if path.is_relative_to(ROOT / "lode"):
            assert not {name for name in names if name.split(".")[0] in ("workflow", "scripts", "tests", "snakemake")}


def test_plugins_are_imported_by_name_only() -> None:
    """No stage, and no other module of the core, names a plug-in: a new one touches no core file."""
    groups = ("dataset", "selection", "intervention", "figure", "scoring", "control")
    plugins = {f"lode.{g}.{n}" for g in groups for n in known_plugins(g)}
    for path in LIBRARY:
        if path.parent.name not in groups:
            used = {name for name in imports(path) for plugin in plugins if f"{name}.".startswith(f"{plugin}.")}
            assert not used, name_of(path)


def test_torch_is_not_imported_while_the_graph_is_built() -> None:
    lines = [f"import {name}; seen.append(('torch' in sys.modules, {name!r}))" for name in TORCH_FREE]
    program = "\n".join(["import json, sys", "seen = []", *lines, "print(json.dumps(seen))"])
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True, check=True)
    seen = json.loads(done.stdout)
    assert [name for _, name in seen] == TORCH_FREE
    assert not [name for imported, name in seen if imported][:1]


def test_no_place_of_one_machine() -> None:
    place = re.compile("|".join(f"/{folder}/" for folder in ("work", "root", "home", "Users")))
    for path in TRACKED:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found = [line for line in text.splitlines() if place.search(line) and "://" not in line]
        assert not found or path == Path(__file__), f"{name_of(path)}: {found[:1]}"


def test_no_large_file() -> None:
    assert not [name_of(path) for path in TRACKED if path.stat().st_size > 10 * 2**20]


def test_no_result_is_tracked() -> None:
    top = {path.relative_to(ROOT).parts[0] for path in TRACKED}
    assert not top & {"results", ".snakemake", ".venv"}
    assert not [name_of(p) for p in TRACKED if p.suffix in (".bin", ".pt", ".pth", ".pkl", ".pyc", ".parquet", ".npy")]
