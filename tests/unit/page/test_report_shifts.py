"""The section of shifts: there where they were measured, with every number; and what it says in words."""

import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from lode.engine.tables import read_table
from lode.page.report.numbers import number
from lode.page.report.shifts import sentence
from lode.stages import build_report, plot_figures
from lode.study import compose
from lode.table.shift_tests import SHIFT_TESTS
from tests.report_run import MADE_BY, make_config
from tests.shift_run import write_shifts
from tests.tables import GROUPING


def with_shifts(folder: Path) -> DictConfig:
    """The config of a report of a run whose shifts were measured and drawn."""
    cfg = make_config(folder)
    shifts = write_shifts(folder, list(cfg.io.effects))
    svg = folder / "plot_figures/shift_matrix.svg"
    figure = compose(["figure=shift_matrix"]).figure
    io = {**shifts, "effects": cfg.io.effects, "figure": str(svg), "png": str(svg.with_suffix(".png"))}
    plot_figures.run(OmegaConf.create({"figure": figure, "grouping": GROUPING, "io": io}), MADE_BY)
    cfg.io = {**cfg.io, **shifts, "figure": [*cfg.io.figure, str(svg)]}
    return cfg


def test_the_page_says_where_sets_write(tmp_path: Path) -> None:
    cfg = with_shifts(tmp_path)
    build_report.run(cfg, MADE_BY)
    page = Path(cfg.io.report).read_text()
    section = page.split('<h2 id="shifts">')[1].split("<h2 ")[0]
    assert page.count('id="shift_matrix"') == section.count('id="shift_matrix"') == 1, "in its section alone"
    assert '<a href="#shifts">Where it writes</a>' in page
    pooled = [
        row for path in cfg.io.shift_tests for row in read_table(path, SHIFT_TESTS).to_pylist() if not row["dataset"]
    ]
    assert len(re.findall(r"<tr><td>", section)) == len(pooled) + 2 * 3  # selections, sets with a selectivity
    for row in pooled:
        assert f"{number(row['shift'])} [" in section
    assert section.count("(its own)") == 6
    assert section.count("unmatchable: its controls write too little") == 2 * (5 + 1)


def test_a_page_without_shifts_says_nothing_of_them(tmp_path: Path) -> None:
    cfg = make_config(tmp_path)
    build_report.run(cfg, MADE_BY)
    assert "shifts" not in Path(cfg.io.report).read_text().split("<main>")[1].split('id="versions"')[0]


def selective(name: str, verdict: str, low: float | None = 0.1, p: float | None = 1 / 21) -> dict[str, Any]:
    row = {"selectivity": 0.5, "verdict": verdict, "interval_low": low, "p_corrected": p}
    return {"name": name, "selectivity": row}


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ([{"name": "all", "selectivity": None}], "No set has a group of its own and another one to compare it with."),
        (
            [selective("image", "beyond_controls"), selective("text", "unmatchable")],
            "image (0.500) move the states of their own group more than those of others, by more than every control; "
            "text (0.500) have no controls that write as much, so that it cannot be told.",
        ),
        (
            [selective("image", "beyond_controls", -0.1), selective("text", "beyond_controls", None)],
            "image (0.500), text (0.500) do so by more than every control, but their interval reaches 0 or is not "
            "known.",
        ),
        ([selective("image", "within_controls", -0.1)], "image (0.500) do so by no more than some control."),
        (
            [selective("image", "beyond_controls", p=2 / 21), selective("text", "beyond_controls", p=None)],
            "image (0.500), text (0.500) do so by more than every control, as the best of as many random sets may.",
        ),
        ([selective("image", "no_controls")], "image (0.500) have no controls."),
        ([selective("image", "too_few_controls")], "image (0.500) have too few controls for any p below 0.05."),
    ],
)
def test_the_sentence(sets: list[dict[str, Any]], said: str) -> None:
    assert sentence(sets) == said
