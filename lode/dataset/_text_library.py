"""Code and prose that come with Python: functions of its library, and paragraphs of its documentation.

Both under the PSF licence. Files are those of the standard library without tests, tables of encodings and installed
packages, so they are the same wherever one version of Python is installed whole.
"""

import ast
import random
import re
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from inspect import cleandoc
from itertools import chain, count
from pathlib import Path
from textwrap import dedent

#: Folders that hold no library: tests, installed packages, tables, what is written by programs.
LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "__pycache__", "__phello__"}
LEFT_OUT |= {"lib-dynload", "pydoc_data", "turtledemo", "ensurepip"}
#: The shortest text that is worth cutting [characters].
SHORTEST = 310
#: The shortest paragraph that is prose, and no note of what a function does [characters].
FULL = 80
#: Two texts are copies of each other where they agree in so many [characters].
COMPARED = 80
#: What a paragraph of plain English holds: words, and common punctuation.
PLAIN = re.compile(r"[A-Z][A-Za-z0-9 ,;:.?!'\"()-]+[.]")
#: What is in no plain paragraph: names of functions, options and modules, calls, and lists of arguments.
NAMES = re.compile(r"\w\.\w|\w_\w|--\w|[a-z][A-Z]|\w\(|\b(Args|Raises|Returns|Yields): | - \w+: ")

Wanted = Callable[[str], bool]
Texts = Iterator[tuple[str, str]]


@cache
def library_files() -> tuple[str, ...]:
    """The files of the library, relative to its folder, sorted."""
    root = Path(sysconfig.get_paths()["stdlib"])
    found = (path.relative_to(root) for path in root.rglob("*.py"))
    own = [path for path in found if not LEFT_OUT & set(path.parts) and not path.name.startswith("_sysconfigdata")]
    return tuple(sorted(path.as_posix() for path in own))


def read(name: str) -> str:
    """The text of a file of the library."""
    return (Path(sysconfig.get_paths()["stdlib"]) / name).read_text(encoding="utf-8", errors="replace")


def tree_of(name: str) -> ast.Module:
    """The syntax tree of a file; an empty one where it is no program of this Python (samples of old syntax)."""
    try:
        return ast.parse(read(name))
    except SyntaxError:
        return ast.Module([], [])


@cache
def functions_of(name: str) -> tuple[str, ...]:
    """The functions of a file that have no docstring, as they are written, from the left margin."""
    lines = read(name).splitlines()
    found = [
        node for node in ast.walk(tree_of(name)) if isinstance(node, ast.FunctionDef) and not ast.get_docstring(node)
    ]
    bodies = ["\n".join(lines[node.lineno - 1 : node.end_lineno]).expandtabs(4) for node in found]
    return tuple(body for body in map(dedent, bodies) if len(body) >= SHORTEST)


def paragraphs(docstring: str) -> Iterator[str]:
    """The paragraphs of a docstring that are plain English, in one line each."""
    for paragraph in re.split(r"\n\s*\n", cleandoc(docstring)):
        line = " ".join(paragraph.split())
        if PLAIN.fullmatch(line) and not NAMES.search(line) and len(line) >= FULL:
            yield line


@cache
def prose_of(name: str) -> tuple[str, ...]:
    """The plain paragraphs of a file's docstrings, joined to texts that are long enough."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = (ast.get_docstring(node) or "" for node in ast.walk(tree_of(name)) if isinstance(node, kinds))
    lines = dict.fromkeys(chain.from_iterable(map(paragraphs, docs)))
    return joined(lines)


def joined(lines: Iterable[str]) -> tuple[str, ...]:
    """Paragraphs in order, put together until a text has more than can be cut; what is left over is dropped."""
    texts, held = [], ""
    for line in lines:
        held = f"{held} {line}".strip()
        if len(held) >= SHORTEST + 60:
            texts.append(held)
            held = ""
    return tuple(texts)


@cache
def topics() -> dict[str, tuple[str, ...]]:
    """Python's help on its language, by topic: the plain paragraphs, joined."""
    from pydoc_data.topics import topics as pages

    return {name: joined(dict.fromkeys(paragraphs(page))) for name, page in sorted(pages.items())}


@cache
def collapsed() -> dict[str, str]:
    """The text of every file and help topic, each run of white space as one blank."""
    from pydoc_data.topics import topics as pages

    return {
        **{name: " ".join(read(name).split()) for name in library_files()},
        **{f"help/{name}": " ".join(page.split()) for name, page in pages.items()},
    }


def is_elsewhere(name: str, text: str) -> bool:
    """Whether a text of a file begins as something in another file does: copies would lie in two splits."""
    begun = " ".join(text.split())[:COMPARED]
    return any(begun in other for file, other in collapsed().items() if file != name)


def in_turn(names: list[str], texts_of: Callable[[str], tuple[str, ...]], dealer: random.Random) -> Texts:
    """One text of every file, then the second of each, and so on; the dealer gives the order of the files."""
    dealt = dealer.sample(names, len(names))
    for place in count():
        left = False
        for name in dealt:
            texts = texts_of(name)
            if place < len(texts):
                left = True
                text = random.Random(name).sample(texts, len(texts))[place]
                if not is_elsewhere(name, text):
                    yield name, text
        if not left:
            return


def code(dealer: random.Random, wanted: Wanted) -> Texts:
    """Functions of the library, by file."""
    return in_turn(list(filter(wanted, library_files())), functions_of, dealer)


def prose(dealer: random.Random, wanted: Wanted) -> Texts:
    """Documentation of the library and of the language, by file or topic."""
    pages = {f"help/{name}": texts for name, texts in topics().items()}
    names = list(filter(wanted, (*library_files(), *pages)))
    return in_turn(names, lambda name: pages[name] if name in pages else prose_of(name), dealer)
