"""A token budget that was not reached is said on the page and on the console, in numbers; else nothing is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lode.engine.tables import provenance, write_table
from lode.grouping import PROMPT
from lode.page.report.budget import Shortfall, shortfalls
from lode.stages import build_report
from lode.table.statistics import STATISTICS
from tests.dealt import datasets
from tests.report_run import MADE_BY, make_config
from workflow.verify import tell_budget

#: Of two shards, each of ten samples of which 20 tokens are asked, how many are there; by dataset.
DRAWN = {"toy_road": (200, 200), "toy_scan": (170, 185)}
SAYS = "m, toy_scan, lm_gate: 45 of 400 tokens (11.2 %) of capture.token_budget are missing, as samples are too short"


def budget(drawn: int) -> dict[str, Any]:
    counts = {"num_samples": 10, "num_tokens": drawn, "num_held": drawn + 7}
    return {"quota": 20, "drawn": {"lm_gate": {PROMPT: counts}}, "num_missing": {"lm_gate": 200 - drawn}}


def captured(folder: Path, budgeted: bool = True) -> list[str]:
    rates = {name.removeprefix("toy_"): np.full((2, 3), 0.5) for name in DRAWN}
    paths = []
    for name, tables in datasets(rates, 2).items():
        for shard, (table, drawn) in enumerate(zip(tables, DRAWN[name], strict=True)):
            path = str(folder / "capture_activations" / "m" / name / f"{shard}.parquet")
            columns = {column: table[column] for column in table.column_names}
            write_table(path, STATISTICS, columns, {**provenance("{}", "a"), **(budget(drawn) if budgeted else {})})
            paths.append(path)
    return paths


def test_tokens_are_counted_over_shards(tmp_path: Path) -> None:
    """By hand: of 2 x 10 x 20 asked, 30 are missing in the first shard and 15 in the second."""
    found = shortfalls(captured(tmp_path))
    assert found == [Shortfall("m", "toy_scan", "lm_gate", 45, 400)]
    assert str(found[0]) == SAYS


def test_without_a_budget_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shortfalls(captured(tmp_path, budgeted=False)) == []
    tell_budget(str(tmp_path))
    assert capsys.readouterr().out == ""


def test_the_console_and_the_page_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg, paths = make_config(tmp_path), captured(tmp_path)
    tell_budget(str(tmp_path))
    assert capsys.readouterr().out == f"note: {SAYS}\n"
    build_report.run(cfg, MADE_BY)
    assert 'id="budget"' not in Path(cfg.io.report).read_text()
    cfg.io.statistics = paths
    build_report.run(cfg, MADE_BY)
    section = Path(cfg.io.report).read_text().split('<h3 id="budget">')[1].split("<h3")[0]
    assert f"<li>{SAYS}.</li>" in section
    assert section.count("<li>") == 1
