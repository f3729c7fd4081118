"""Who imports whom: one direction, and no circle."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lode.checks.names import known_plugins
from lode.engine.fingerprint import imported_names
from tests.source import LIBRARY, ROOT, Function, imports, name_of

#: Folders of plug-ins, and what there is no plug-in.
PLUGINS = ("dataset", "selection", "intervention", "figure", "scoring", "control", "grouping", "recording")
STAGES = [path for path in LIBRARY if path.parent == ROOT / "lode" / "stages"]


def plugins(group: str) -> set[str]:
    """The modules of a group of plug-ins."""
    return {f"lode.{group}.{name}" for name in known_plugins(group)}


def meant(path: Path, modules: set[str]) -> set[str]:
    """Those of some modules that a file imports, or from which it imports a name."""
    return {module for name in imports(path) for module in modules if f"{name}.".startswith(f"{module}.")}


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    return name_of(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def packages(name: str) -> set[str]:
    """The packages that a name is in, which run before it does: of a.b.c, a and a.b."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def at_import(node: ast.AST) -> Iterator[str]:
    """The names that are imported as soon as the code is: in no function, and not for types only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom):
            yield child.module or ""
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif not isinstance(child, Function) and not is_for_types(child):
            yield from at_import(child)


def is_for_types(node: ast.AST) -> bool:
    """Whether it is `if TYPE_CHECKING:` without another branch."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not node.orelse


def needed(module: str, source: str) -> set[str]:
    """What must have run before a module has: what it names, and the packages of that, if they are not its own too.

    Its own packages have begun when it runs; it waits for one of them only where it takes a name from it.
    """
    named = set(at_import(ast.parse(source)))
    return (named | {package for name in named for package in packages(name)} - packages(module)) - {module}


def in_circles(sources: Mapping[str, str]) -> set[str]:
    """The modules that wait for themselves when they are imported, or for a module that does."""
    needs = {module: needed(module, source) & sources.keys() for module, source in sources.items()}
    while free := {module for module, others in needs.items() if not others}:
        needs = {module: others - free for module, others in needs.items() if module not in free}
    return set(needs)


def test_no_import_goes_in_a_circle() -> None:
    """Counting what a module imports when it is itself imported."""
    assert not in_circles({module_of(path): path.read_text() for path in LIBRARY})


@pytest.mark.parametrize(
    ("sources", "circle"),
    [
        ({"a.x": "from a.y import f", "a.y": "import a.x"}, {"a.x", "a.y"}),
        ({"a.x": "from b.y import f", "b": "import a.x", "b.y": ""}, {"a.x", "b"}),
        ({"a.x": "import b.y.z", "b": "from a import x", "b.y": "", "b.y.z": ""}, {"a.x", "b"}),
        ({"a.x": "try:\n    import b\nfinally:\n    pass", "b": "class C:\n    import a.x"}, {"a.x", "b"}),
        ({"a": "import a.x", "a.x": "from a.y import f", "a.y": ""}, set()),
        ({"a": "import a.x", "a.x": "from a import name"}, {"a", "a.x"}),
        ({"a.x": "import b.y", "b.y": "def f():\n    import a.x"}, set()),
        ({"a.x": "import b.y", "b.y": "if TYPE_CHECKING:\n    import a.x"}, set()),
    ],
    ids=["module", "package", "outer package", "blocks", "own package", "name of own package", "function", "types"],
)
def test_circles_are_seen(sources: dict[str, str], circle: set[str]) -> None:
    assert in_circles(sources) == circle


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
