"""Short functions, short files, few files at the top.

The lines of a function are those from its `def` to the end, without its docstring; of a function within another, those
of both.
"""

import ast
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from tests.source import CODE, ROOT, Function, functions, name_of

#: Of functions in `lode`, `workflow` and `scripts`.
MEDIAN, MOST_OF_THEM, LONGEST = 8, 24, 50
#: The share of functions that `MOST_OF_THEM` is about [percent].
MOST = 90
LINES = 300
#: Files of more lines, and why.
LONG_FILES = {
    "lode/cards/__init__.py": "one page: each step is a few lines of facts",
    "lode/config.py": "one page: each section is a few lines of defaults",
}
MEASURED = [path for path in CODE if path.relative_to(ROOT).parts[0] in ("lode", "workflow", "scripts")]


def lines_of(function: Function) -> int:
    """How many lines it has, its docstring aside."""
    first, end = function.body[0], function.end_lineno or 0
    says = ast.get_docstring(function, clean=False) is not None
    return end - function.lineno + 1 - (says and (first.end_lineno or 0) - first.lineno + 1)


def test_lines_are_counted_without_the_docstring() -> None:
    tree = ast.parse('def f(\n    a,\n):\n    """One\n\n    two."""\n    b = a\n    return b\n')
    (function,) = tree.body
    assert isinstance(function, Function)
    assert lines_of(function) == 5


def test_functions_are_short() -> None:
    """Each counts: a file may hold several functions of one name, such as `__call__`."""
    sizes = [(lines_of(f), name_of(path), f.name, f.lineno) for path in MEASURED for f in functions(path)]
    assert len(sizes) > 500
    assert not [found for found in sizes if found[0] > LONGEST]
    assert median(size for size, *_ in sizes) <= MEDIAN
    assert np.percentile([size for size, *_ in sizes], MOST) <= MOST_OF_THEM


@pytest.mark.parametrize("path", MEASURED, ids=name_of)
def test_files_are_short_or_have_a_reason(path: Path) -> None:
    assert (len(path.read_text().splitlines()) > LINES) == (name_of(path) in LONG_FILES)


@pytest.mark.parametrize("path", sorted(set(CODE) - set(MEASURED)), ids=name_of)
def test_tests_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert max((lines_of(function) for function in functions(path)), default=0) <= 60


def test_few_files_lie_at_the_top() -> None:
    """What is new has a folder that it belongs to."""
    assert len({path for path in CODE if path.parent == ROOT / "lode"}) <= 5
