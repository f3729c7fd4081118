"""The section of states: there where some were compared, every verdict beside its nulls."""

from pathlib import Path

from lode.engine.tables import read_table, write_table
from lode.figure import Table
from lode.page.report.numbers import number
from lode.page.report.states import state_rows, verdict
from lode.stages import build_report
from lode.table.alignment import ALIGNMENT
from lode.table.convergence import CONVERGENCE
from lode.table.phenomena import PHENOMENA
from tests.report_run import MADE_BY, make_config
from tests.states_run import MADE_BY as STATES_MADE_BY
from tests.states_run import write_states


def test_the_page_says_what_was_compared(tmp_path: Path) -> None:
    cfg = make_config(tmp_path)
    paths = write_states(tmp_path)
    cfg.io = {**cfg.io, **{name: paths[name] for name in ("convergence", "phenomena", "alignment")}}
    build_report.run(cfg, MADE_BY)
    page = Path(cfg.io.report).read_text()
    section = page.split('<h2 id="states">')[1].split("<h2 ")[0]
    assert '<a href="#states">Where states lie</a>' in page
    assert section.count("converge from state 2") == 4
    assert "blank: unchanged; permuted weights: unchanged" in section
    assert "halves of image" in section
    rows = read_table(paths["phenomena"][0], PHENOMENA).to_pylist()
    (image,) = (
        row
        for row in rows
        if (row["variant"], row["phenomenon"], row["group"], row["layer"]) == ("clean", "probing", "image", 3)
    )
    assert number(image["index"]) in section
    assert "last token, same_content_text, same_content_image" in section


def test_a_telomere_of_too_few_ids_is_said_not_to_be_told(tmp_path: Path) -> None:
    cfg = make_config(tmp_path)
    path = write_states(tmp_path)["phenomena"][0]
    rows = read_table(path, PHENOMENA).to_pylist()
    none = {"persistence": None}
    told = [{**row, **(none if (row["group"], row["phenomenon"]) == ("special", "telomere") else {})} for row in rows]
    write_table(path, PHENOMENA, told, STATES_MADE_BY)
    cfg.io = {**cfg.io, "phenomena": [path]}
    build_report.run(cfg, MADE_BY)
    section = Path(cfg.io.report).read_text().split('<h2 id="states">')[1].split("<h2 ")[0]
    assert section.count("cannot be told</td>") == 1


def test_a_page_without_states_says_nothing_of_them(tmp_path: Path) -> None:
    cfg = make_config(tmp_path)
    build_report.run(cfg, MADE_BY)
    assert 'id="states"' not in Path(cfg.io.report).read_text()
    cfg.io = {**cfg.io, "alignment": write_states(tmp_path)["alignment"]}
    build_report.run(cfg, MADE_BY)
    page = Path(cfg.io.report).read_text()
    assert "Are the same contents alike" in page
    assert "Do groups of tokens come nearer" not in page


def test_rows_by_hand(tmp_path: Path) -> None:
    paths = write_states(tmp_path)
    kinds = (CONVERGENCE, PHENOMENA, ALIGNMENT)
    tables = {
        kind.name: [Table({"model": "m", "dataset": "d"}, read_table(paths[kind.name][0], kind))] for kind in kinds
    }
    rows = state_rows(tables)
    assert [row["pair"] for row in rows["convergence"]] == [
        "text – special", "text – image", "special – image", "halves of text", "halves of special", "halves of image",
    ]  # fmt: skip
    assert rows["convergence"][-1]["nulls"] == ""
    assert [row["group"] for row in rows["phenomena"]] == ["text", "special", "image"]
    assert rows["phenomena"][0]["telomere"] is None
    last = next(row for row in rows["alignment"] if row["place"].startswith("last token"))
    assert last["last"]["layer"] == 2
    assert last["told"] == "2 of 2"
    assert last["nulls"].startswith("permuted weights: ")
    assert state_rows({}) == {"convergence": [], "phenomena": [], "alignment": []}
    assert verdict({"verdict": "disagree", "verdict_layer": None, "num_measures": 4}) == "disagree"
    said = {"verdict": "converge", "verdict_layer": 3, "num_measures": 3}
    assert verdict(said) == "converge from state 3 (of 3 measures)"
    assert verdict({**said, "verdict": "cannot_be_told", "verdict_layer": None, "num_measures": 2}).startswith(
        "cannot be told ("
    )
