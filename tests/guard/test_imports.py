"""Who imports whom: one direction, and no circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

from lode.checks.names import known_plugins
from lode.engine.fingerprint import imported_names
from tests.source import LIBRARY, ROOT, imports, name_of

#: Folders of plug-ins, and what there is no plug-in.
PLUGINS = ("dataset", "selection", "intervention", "figure", "scoring", "control", "grouping", "recording")
STAGES = [path for path in LIBRARY if path.parent == ROOT / "lode" / "stages"]


def plugins(group: str) -> set[str]:
    """The modules of a group of plug-ins."""
    return {f"lode.{group}.{name}" for name in known_plugins(group)}


def meant(path: Path, modules: set[str]) -> set[str]:
    """Those of some modules that a file imports, or from which it imports a name."""
    return {module for name in imports(path) for module in modules if f"{name}.".startswith(f"{module}.")}


def test_no_import_goes_in_a_circle() -> None:
    """Counting what a module imports when it is itself imported."""
    modules = {name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__"): path for path in LIBRARY}
    needs = {module: set(at_import(path)) & set(modules) - {module} for module, path in modules.items()}
    while free := {module for module, needed in needs.items() if not needed}:
        needs = {module: needed - free for module, needed in needs.items() if module not in free}
    assert not needs


def at_import(path: Path) -> Iterator[str]:
    """The modules that are imported as soon as the file is, with the packages that they are in."""
    tree = ast.parse(path.read_text())
    guarded = [node for node in tree.body if isinstance(node, ast.If)]  # TYPE_CHECKING
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node not in guarded:
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_a_stage_reads_tables_not_stages() -> None:
    for path in STAGES:
        assert not {name for name in imports(path) if name.startswith("lode.stages")}, name_of(path)
        assert not {name for name in imports(path) if name.startswith("workflow")}, name_of(path)


def test_nobody_but_scripts_and_the_library_imports_a_stage() -> None:
    """A stage is the end of a line; `lode.library` shows what some of them do in a notebook."""
    for path in LIBRARY:
        if path.parent != ROOT / "lode" / "library":
            assert not [name for name in imports(path) if name.startswith("lode.stages")], name_of(path)


def test_a_plugin_imports_no_sibling() -> None:
    """What two of them need stands in `_name.py`, or in the file of their folder."""
    for group in PLUGINS:
        for name in known_plugins(group):
            path = ROOT / "lode" / group / f"{name}.py"
            assert not meant(path, plugins(group)), name_of(path)


def test_the_library_does_not_know_the_workflow_or_the_tests() -> None:
    for path in LIBRARY:
        names = imports(path)
        if path.is_relative_to(ROOT / "lode"):
            assert not {name for name in names if name.split(".")[0] in ("workflow", "scripts", "tests", "snakemake")}


def test_no_result_depends_on_the_library_for_notebooks() -> None:
    """Nor on `lode/__init__.py`, which names it: `from lode import x` would have a step digest both."""
    for path in LIBRARY:
        if path.parent.name != "library" and path != ROOT / "lode" / "__init__.py":
            names = set(imported_names(ast.parse(path.read_text())))
            assert "lode" not in names, name_of(path)
            assert not [name for name in names if name.startswith("lode.library")], name_of(path)


def test_plugins_are_imported_by_name_only() -> None:
    """No stage, and no other module of the core, names a plug-in: a new one touches no core file."""
    groups = ("dataset", "selection", "intervention", "figure", "scoring", "control")
    plugins = {f"lode.{g}.{n}" for g in groups for n in known_plugins(g)}
    for path in LIBRARY:
        if path.parent.name not in groups:
            used = {name for name in imports(path) for plugin in plugins if f"{name}.".startswith(f"{plugin}.")}
            assert not used, name_of(path)
