"""The section of contrasts: there where some are declared, with every number; the blank run before the sets."""

from pathlib import Path

from lode.engine.tables import read_table
from lode.figure import Looks, Table
from lode.page.report.contrasts import asks, contrast_runs
from lode.page.report.numbers import number
from lode.stages import build_report
from lode.study import compose
from lode.table.contrasts import CONTRASTS
from tests.report_run import MADE_BY, make_config
from tests.strata_run import write_strata


def test_the_page_says_what_was_declared(tmp_path: Path) -> None:
    cfg = make_config(tmp_path)
    cfg.io = {**cfg.io, **write_strata(tmp_path)}
    build_report.run(cfg, MADE_BY)
    page = Path(cfg.io.report).read_text()
    section = page.split('<h2 id="contrasts">')[1].split("<h2 ")[0]
    assert '<a href="#contrasts">Declared beforehand</a>' in page
    assert "category VIS (5 samples) less CAL (4), within equal gold_step (5, 6)" in section
    _, image = read_table(cfg.io.contrasts[0], CONTRASTS).to_pylist()
    assert section.index("<td>blank</td>") < section.index("<td>image</td>")
    assert f"<b>{number(image['contrast'])}</b>" in section
    assert "above every control, also per magnitude" in section
    assert section.count("<td>blank</td>") == 1
    assert "no controls" in section


def test_a_page_without_contrasts_says_nothing_of_them(tmp_path: Path) -> None:
    cfg = make_config(tmp_path)
    build_report.run(cfg, MADE_BY)
    assert 'id="contrasts"' not in Path(cfg.io.report).read_text()


def test_without_another_key_nothing_is_said_of_it(tmp_path: Path) -> None:
    table = read_table(write_strata(tmp_path)["contrasts"][0], CONTRASTS)
    (run,) = contrast_runs([Table({"model": "m"}, table.select(CONTRASTS.schema.names))], Looks(compose([]).grouping))
    assert run["title"] == "m · toy · step_accuracy"
    assert asks({**run["rows"][0], "within": ""}) == "category VIS (5 samples) less CAL (4)"
