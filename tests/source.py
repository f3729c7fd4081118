"""The files of the project, as the guards read them."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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
Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    """A file from the root of the project."""
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[Function]:
    """Every function of a file, within others too."""
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
