"""The digest of a script's code: what it and every project module it imports *do*, not how they are written.

Comments, layout and docstrings do not count. Plug-ins are imported by name at run time, so their modules
are passed in. Modules that only check or explain are left out: no number depends on them.
"""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from lode.config import digest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "lode"
NO_RESULT_DEPENDS_ON = {"lode.checks.model_folder", "lode.validation", "lode.engine.errors"}


def module_file(name: str) -> Path | None:
    """The file of a project module, or None when it is not one of ours."""
    base = ROOT.joinpath(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None) if name.split(".")[0] == PACKAGE else None


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Every dotted name that an import statement anywhere in the tree could mean."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def without_docstrings(tree: ast.AST) -> ast.AST:
    """Drop strings that stand alone as the first statement of a body."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return tree


@cache
def parsed(path: Path) -> tuple[str, tuple[str, ...]]:
    """The digest of one file's syntax tree, and the project modules it imports."""
    tree = ast.parse(path.read_text())
    names = sorted({name for name in imported_names(tree) if module_file(name)} - NO_RESULT_DEPENDS_ON)
    return sha256(ast.dump(without_docstrings(tree)).encode()).hexdigest(), tuple(names)


def code_digest(script: Path, plugins: Sequence[str] = (), files: Sequence[Path] = ()) -> str:
    """Digest of a script, all project modules it reaches, the plug-ins named, and further files by content."""
    digests = {script.name: parsed(script)[0]}
    pending = [*parsed(script)[1], *plugins]
    while pending:
        name = pending.pop()
        path = module_file(name)
        if name in digests or path is None:
            continue
        digests[name], names = parsed(path)
        pending.extend(names)
    digests |= {path.name: sha256(path.read_bytes()).hexdigest() for path in files}
    return digest(repr(sorted(digests.items())))
