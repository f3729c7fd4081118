"""The house in one picture and one table, from the cards: `python -m workflow.house` writes both anew.

`docs/house.svg` shows every step with what it writes, and which steps read that; README holds the table between two
markers. A guard test compares them with the cards.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from lode.engine.paths import ROOT
from lode.engine.study import Card
from lode.study import STUDY

PICTURE = ROOT / "docs" / "house.svg"
README = ROOT / "README.md"
START, END = "<!-- steps: python -m workflow.house -->", "<!-- end of steps -->"

#: Steps beside each other.
COLUMNS = 4
#: Sizes in pixels.
WIDTH, BOX, HEIGHT, GAP, ROW, TOP, LEFT = 1010, 196, 84, 20, 116, 118, 126
INK, MUTED, LINE, GPU, PAPER = "#222222", "#6b6b6b", "#9bb7cc", "#fdf0dc", "#f4f6f8"


def stages() -> dict[str, list[Card]]:
    """The cards by the files of their rules, in order."""
    found = {}
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        names = re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE)
        found[path.stem.replace("_", " ")] = [STUDY.steps[name] for name in names]
    return found


def table() -> str:
    """The steps as a table in Markdown."""
    lines = ["| stage | step | does | reads | writes under `results/<experiment>/` |", "|---|---|---|---|---|"]
    for stage, cards in stages().items():
        for place, card in enumerate(cards):
            reads = ", ".join(f"{read.table}{'*' if read.when else ''}" for read in card.reads)
            writes = ", ".join(shortened(card))
            lines.append(f"|{'' if place else f' {stage}'} | `{card.name}` | {card.does} | {reads} | {writes} |")
    return "\n".join(lines)


def shortened(card: Card) -> Iterator[str]:
    """What a step writes, and where; several tables in folders of one form at once."""
    by_form: dict[str, list[str]] = {}
    for name, path in card.makes.items():
        by_form.setdefault(path.replace(f"/{name}/", "/<>/"), []).append(name)
    for form, names in by_form.items():
        path = form.replace("<>", "{" + ",".join(names) + "}" if len(names) > 1 else names[0])
        yield f"{', '.join(names)}: `{path}`"


def with_table(readme: str) -> str:
    """README with the table of today between its markers."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table()}\n{END}{after}"


def picture() -> str:
    """The steps as a drawing, a row a stage; of more steps than fit beside each other further rows."""
    rows = list(stages().items())
    places, starts, count = placed([cards for _, cards in rows])
    parts = [*head(TOP + count * ROW), *lines(places)]
    for start, (stage, cards) in zip(starts, rows, strict=True):
        parts.append(text(16, TOP + start * ROW + 20, stage, 15, INK, "bold"))
        parts += [part for card in cards for part in box(card, *places[card.name])]
    return "\n".join([*parts, "</svg>"]) + "\n"


def placed(stages: Sequence[Sequence[Card]]) -> tuple[dict[str, tuple[int, int]], list[int], int]:
    """Where the box of each step is, by name; the first row of each stage; and how many rows there are."""
    places, starts, count = dict[str, tuple[int, int]](), [], 0
    for cards in stages:
        starts.append(count)
        for at, card in enumerate(cards):
            places[card.name] = LEFT + at % COLUMNS * (BOX + GAP), TOP + (count + at // COLUMNS) * ROW
        count += -(-len(cards) // COLUMNS)
    return places, starts, count


def head(height: int) -> Iterator[str]:
    """What the picture is, and the parts that no card knows of."""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'aria-label="The steps of the workflow and what each reads" font-family="sans-serif">'
    )
    yield f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    told = (
        "lode/cards/  →  workflow/rules/*.smk  →  scripts/<step>.py  →  lode/stages/<step>.py",
        "lode/engine/ plans, records and verifies the steps, and knows none of them. Shaded: on a GPU",
        "In a box: what the step writes, and what it reads. A line: one step reads what its neighbour writes",
    )
    yield text(16, 30, "One name a step: card, rule, script, stage module, folder of results", 18, INK, "bold")
    yield from (text(16, 54 + 22 * place, words, 14, MUTED) for place, words in enumerate(told))


def lines(places: dict[str, tuple[int, int]]) -> Iterator[str]:
    """From a step to its readers in the row below and beside it; to others a line would run behind boxes."""
    for card in STUDY.cards:
        for writer in dict.fromkeys(STUDY.writers[read.table].name for read in card.reads):
            (x1, y1), (x2, y2) = places[writer], places[card.name]
            if y2 - y1 == ROW:
                yield line(x1 + BOX // 2, y1 + HEIGHT, x2 + BOX // 2, y2)
            elif (x2 - x1, y1) == (BOX + GAP, y2):
                yield line(x1 + BOX, y1 + HEIGHT // 2, x2, y2 + HEIGHT // 2)


def line(x1: int, y1: int, x2: int, y2: int) -> str:
    """From one place to another."""
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{LINE}" stroke-width="1.5"/>'


def box(card: Card, x: int, y: int) -> Iterator[str]:
    """A step, what it writes and what it reads, as far as there is room."""
    fill = GPU if card.resources == "gpu" else PAPER
    yield f'<rect x="{x}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="5" fill="{fill}" stroke="{MUTED}"/>'
    yield text(x + 9, y + 19, card.name, 14, INK, "bold")
    yield text(x + 9, y + 37, ", ".join([*card.writes, *card.folders]), 12, INK)
    reads = f"reads {', '.join(read.table for read in card.reads)}" if card.reads else ""
    for place, words in enumerate(textwrap.wrap(reads, 30, max_lines=2, placeholder=" ...")):
        yield text(x + 9, y + 56 + 16 * place, words, 11, MUTED)


def text(x: int, y: int, words: str, size: int, colour: str, weight: str = "normal") -> str:
    """Words at a place."""
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}">{escape(words)}</text>'


def main() -> None:
    """Write the picture and the table."""
    PICTURE.write_text(picture(), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
    for path in (PICTURE, README):
        print(Path(path).relative_to(ROOT))


if __name__ == "__main__":
    main()
