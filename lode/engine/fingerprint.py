"""The digest of a script's code: what it and every project module it imports *do*, not how they are written.

Comments, layout and docstrings do not count. Plug-ins are imported by name at run time, so their modules
are passed in. Modules that make no result are left out (`Study.undigested`): configs and cards, whose values are
recorded already, checks, messages, and all of the engine but the writer of tables.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from lode.engine.paths import ROOT
from lode.engine.study import Study


def digest(text: str) -> str:
    """A short digest; the leading letter keeps YAML and Hydra from reading it as a number."""
    return f"d{sha256(text.encode()).hexdigest()[:16]}"


def module_file(study: Study, name: str) -> Path | None:
    """The file of a module of the study, or None when it is not one of its own."""
    if name.partition(".")[0] not in study.packages:
        return None
    base = ROOT.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


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
def parsed(study: Study, path: Path) -> tuple[str, tuple[str, ...]]:
    """The digest of one file's syntax tree, and the modules of the study that it imports and that make results."""
    tree = ast.parse(path.read_text())
    names = sorted({n for n in imported_names(tree) if module_file(study, n) and study.makes_results(n)})
    return sha256(ast.dump(without_docstrings(tree)).encode()).hexdigest(), tuple(names)


def code_digest(study: Study, script: Path, plugins: Iterable[str] = (), files: Sequence[Path] = ()) -> str:
    """Digest of a script, all modules it reaches, the plug-ins named, and further files by content."""
    digests = {script.name: parsed(study, script)[0]}
    pending = [*parsed(study, script)[1], *plugins]
    while pending:
        name = pending.pop()
        path = module_file(study, name)
        if name in digests or path is None:
            continue
        digests[name], names = parsed(study, path)
        pending.extend(names)
    digests |= {path.name: sha256(path.read_bytes()).hexdigest() for path in files}
    return digest(repr(sorted(digests.items())))
