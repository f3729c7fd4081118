"""The page of methods: every citation of a section finds it, and the two pages name files that exist."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = "docs/methods.md"
PAGES = (PAGE, "docs/glossary.md")
CITING = (".py", ".yaml", ".md", ".jinja", ".smk", ".sh", ".toml", "Snakefile", "Makefile")
#: Every plug-in of these folders must cite a section.
CITED_BY = ("selection", "intervention", "control", "importance")

_SECTION = r"\d+(?:\.\d+)?"
_NEXT = r"(?:\s*\([^()]*\))?(?:,|,?\s+(?:and|to|or))\s+"
#: The page, and the sections after it: `2.9`, `1.1 and 1.2`, `2.9 to 2.11`, `0, 1.2`, `1.1 (minmax) and 1.8`.
CITATION = re.compile(rf"{re.escape(PAGE)}\s+({_SECTION}(?:{_NEXT}{_SECTION})*)")
#: The page as a whole: a link that is its own name.
LINK = re.compile(r"\[((?:docs/)?methods\.md)\]\(\1\)")
#: A further number after either, which is in no form that is read.
GOES_ON = re.compile(r"(?:\s*\([^()]*\))?(?:[\s,;:/&#§+–—-]|and|or|to|sections?)*\d|\.\d")
HEADING = re.compile(rf"^#+ ({_SECTION})\.? ", re.MULTILINE)


def tracked() -> list[Path]:
    """The files of the repository that may cite."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name.endswith(CITING) and (ROOT / name).is_file()]


def sections() -> list[str]:
    """The numbers of the page's headings, in order."""
    return HEADING.findall((ROOT / PAGE).read_text())


def joined(text: str) -> str:
    """The text without the marks of comments: a citation may go on in the next line of one."""
    return re.sub(r"\n[ \t]*#:? ?", "\n", text)


def cited(text: str) -> list[str]:
    """The sections that a text cites."""
    found = CITATION.findall(joined(text))
    return [number for numbers in found for number in re.findall(_SECTION, without_notes(numbers))]


def other_forms(text: str) -> list[str]:
    """What a text says of the page in another form than a citation or a link; no section is read from it."""
    plain = joined(text)
    found = [match for form in (CITATION, LINK) for match in form.finditer(plain)]
    read = [match for match in found if not GOES_ON.match(plain, match.end())]
    mentions = [match.start() for match in re.finditer(r"methods\.md", plain)]
    return [
        plain[start : start + 40] for start in mentions if not any(one.start() <= start < one.end() for one in read)
    ]


def without_notes(numbers: str) -> str:
    """The numbers of a citation without what stands in brackets between them."""
    return re.sub(r"\([^()]*\)", "", numbers)


def unknown(text: str) -> list[str]:
    """The sections that a text cites and the page does not have."""
    return [number for number in cited(text) if number not in sections()]


def test_every_section_has_one_heading_and_they_are_in_order() -> None:
    numbers = [tuple(map(int, number.split("."))) for number in sections()]
    assert len(numbers) > 40
    assert numbers == sorted(set(numbers))


def test_every_citation_finds_its_section() -> None:
    wrong = {str(path.relative_to(ROOT)): found for path in tracked() if (found := unknown(path.read_text()))}
    assert not wrong


def test_every_citation_has_a_form_that_is_read() -> None:
    others = [path for path in tracked() if path != Path(__file__).resolve()]
    assert not {str(path.relative_to(ROOT)): found for path in others if (found := other_forms(path.read_text()))}


def test_citations_are_seen() -> None:
    assert sum(len(cited(path.read_text())) for path in tracked()) > 80


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2.9; the first", ["2.9"]),
        ("1.1 and 1.2. ``kind``", ["1.1", "1.2"]),
        ("2.9 to 2.11.", ["2.9", "2.11"]),
        ("0, 1.2).", ["0", "1.2"]),
        ("4.3 to 4.6, and 4.11.", ["4.3", "4.6", "4.11"]),
        ("1.1 (``minmax``) and 1.8. What", ["1.1", "1.8"]),
        ("1.7 (6): `audios`", ["1.7"]),
        ("\n2.11. 3 files", ["2.11"]),
        ("\n    # 1.2", ["1.2"]),
        ("says", []),
    ],
)
def test_the_forms_of_a_citation(text: str, numbers: list[str]) -> None:
    assert cited(f"See {PAGE} {text}") == numbers
    assert bool(other_forms(f"See {PAGE} {text}")) == (not numbers)


@pytest.mark.parametrize(
    "text",
    [
        f"{PAGE}, 99.9",
        f"{PAGE}: 99.9",
        f"{PAGE}#99.9",
        f"{PAGE} section 99.9",
        f"{PAGE}",
        f"`{PAGE}` 99.9",
        "methods.md 99.9",
        f"{PAGE} 1.1.9",
        f"{PAGE} 1.1; 99.9",
        f"{PAGE} 1.1/99.9",
        f"{PAGE} 1.1, section 99.9",
        f"{PAGE} 1.1 (``minmax``), sections 99.9",
        f"[{PAGE}]({PAGE}) 99.9",
        f"[99.9]({PAGE})",
        f"[{PAGE}]({PAGE}#99)",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    assert other_forms(f"Source: {text}.")


def test_a_link_is_no_citation() -> None:
    assert not other_forms(f"Formulas are in [{PAGE}]({PAGE}), by section.")


@pytest.mark.parametrize("number", ["9", "2.99", "1.0"])
def test_a_wrong_citation_is_found(number: str) -> None:
    assert unknown(f"Source: {PAGE} 1.1 and {number}.") == [number]


@pytest.mark.parametrize("group", CITED_BY)
def test_every_plugin_cites_a_section(group: str) -> None:
    paths = list((ROOT / "lode" / group).glob("[!_]*.py"))
    assert paths
    silent = [path.name for path in paths if not cited(ast.get_docstring(ast.parse(path.read_text())) or "")]
    assert not silent


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_name_files_that_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    places = re.findall(r"`((?:lode|config|tests|workflow)/[\w./]*)`", text)
    places += [f"docs/{name}" for name in re.findall(r"\]\(([\w./]+)\)", text)]
    assert places
    assert not [place for place in places if not (ROOT / place).exists()]


def test_the_glossary_points_at_sections_that_exist() -> None:
    text = re.sub(r"\bmethods(?=[\s,:#]+(?:sections? )?\d)", PAGE, (ROOT / "docs" / "glossary.md").read_text())
    assert len(cited(text)) > 30
    assert not unknown(text)
    assert not other_forms(text)


def test_the_glossary_gives_each_word_one_meaning() -> None:
    words = re.findall(r"^\| ([^|]+?) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    listed = [word for entry in words if entry != "word" for word in entry.split(", ")]
    assert len(listed) > 50
    assert sorted(set(listed)) == sorted(listed)
