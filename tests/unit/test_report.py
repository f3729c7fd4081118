"""The report holds every number, escapes every text, loads nothing, and equal runs give equal pages."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from lode.artifacts import read_table
from lode.errors import UserError
from lode.stages import report
from tests.report_run import BENCHMARKS, MADE_BY, make_config
from tests.tables import HOSTILE, benchmark_rows


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    """The config of a run whose report is written."""
    cfg = make_config(tmp_path_factory.mktemp("run"))
    report.run(cfg, MADE_BY)
    return cfg


@pytest.fixture(scope="module")
def page(cfg: DictConfig) -> str:
    """The page."""
    return Path(cfg.io.output).read_text()


class Tags(HTMLParser):
    """Collect tags, addresses and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.1234567, "0.123"), (-0.25, "−0.250"), (-0.0001, "0.000"), (12345, "12,345"), (float("nan"), "–"), (None, "–")],
)
def test_number(value: float | None, expected: str) -> None:
    assert report.number(value) == expected


def test_every_effect_is_on_the_page(cfg: DictConfig, page: str) -> None:
    text = " ".join(Tags(page).words)
    columns = ("clean", "value", "drop", "control_drop_mean", "control_drop_min", "control_drop_max", "p_value")
    rows = [row for path in cfg.io.tables.effects for row in read_table(path, "effects").to_pylist()]
    assert len(rows) == 2 * len(BENCHMARKS) * 4 * 2  # selections, benchmarks, sets, scores
    for row in rows:
        drop = f"drop {report.number(row['drop'])} {report.interval(row)}"
        controls = "controls {} [{}, {}]".format(*(report.number(row[column]) for column in columns[3:6]))
        assert drop in text
        assert controls in text
        assert all(report.number(row[column]) in text for column in columns)
        assert f"{row['num_neurons']} unique neurons" in text


def test_selectivity_and_p_after_holm_are_on_the_page(cfg: DictConfig, page: str) -> None:
    text = " ".join(" ".join(Tags(page).words).split())
    rows = [row for path in cfg.io.tables.selectivity for row in read_table(path, "selectivity").to_pylist()]
    assert len(rows) == 2 * 4  # selections, masks
    for row in rows:
        if row["selectivity"] is None:
            assert f"{row['set_name']} none, or no other: undefined – –" in text
        else:
            numbers = [report.number(row[name]) for name in ("drop_own", "drop_others", "selectivity")]
            assert f"{row['own'][0]} {' '.join(numbers)} {report.interval(row)}" in text
    for path in cfg.io.tables.comparisons:
        for row in read_table(path, "comparisons").to_pylist():
            p_values = f"p = {report.number(row['p_value'])}, after Holm {report.number(row['p_holm'])}"
            assert p_values in text
    assert "Against every kind of control" not in text, "there is one kind"


def test_further_kinds_of_controls_have_a_table(cfg: DictConfig) -> None:
    from lode.figure import Table, read_tables

    tables = read_tables(OmegaConf.to_container(cfg.io.tables), report.READ)
    first = tables["effects"][0]
    others = [row | {"control_kind": "uniform"} for row in first.data.to_pylist()]
    both = first.data.from_pylist([*first.data.to_pylist(), *others], schema=first.data.schema)
    tables["effects"][0] = Table(first.keys, both)
    run = report.runs(*(tables[kind] for kind in report.READ[1:]))[0]
    assert run["kinds"] == ["layer_matched", "uniform"]
    assert len(run["by_kind"]) == 4 * (len(BENCHMARKS) + 1)
    assert len(run["effects"]) == 4 * 2 * len(BENCHMARKS), "the headline counts once"
    assert len(run["headline"]) == 4 * len(BENCHMARKS)


def test_clean_scores_come_before_effects(page: str) -> None:
    assert 0 < page.index("Clean scores first") < page.index("What each set costs") < page.index('<h2 id="figures"')


def test_hostile_text_is_escaped(page: str) -> None:
    tags = Tags(page)
    assert "script" not in tags.tags
    assert HOSTILE not in page
    assert any(HOSTILE in word for word in tags.words), "a reader sees the text as it is"
    assert not any(name.startswith("on") for name, _ in tags.attributes)


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    tags = Tags(page)
    addresses = [
        value for name, value in tags.attributes if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert len([value for value in addresses if value.startswith("data:image/svg+xml;base64,")]) == 2
    assert all(value.startswith(("data:image/svg+xml;base64,", "#")) for value in addresses)
    assert "link" not in tags.tags
    assert "url(" not in page
    assert "@import" not in page
    ids = [value for name, value in tags.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in addresses if value.startswith("#")} <= set(ids)


def test_equal_runs_give_equal_pages_wherever_they_lie(cfg: DictConfig, page: str, tmp_path: Path) -> None:
    folder = Path(cfg.io.output).parent
    shutil.copytree(folder, tmp_path / "copy")
    moved = OmegaConf.create(OmegaConf.to_yaml(cfg).replace(str(folder), str(tmp_path / "copy")))
    report.run(moved, MADE_BY)
    assert Path(moved.io.output).read_text() == page
    assert str(folder) not in page


def test_what_was_run_is_told(page: str) -> None:
    text = " ".join(Tags(page).words)
    for told in (
        "selection=miner",
        "ab" * 32,
        "code-score",
        "code-select",
        MADE_BY["config_digest"],
        "mined and measured",
    ):
        assert told in text
    for library, version in MADE_BY["versions"].items():
        assert f"{library} {version}" in text


def test_sentence_names_what_beats_controls_and_what_does_not() -> None:
    drops = {"text": (0.01, [0.0, 0.02]), "image": (0.3, [0.01, 0.04]), "all": (0.5, [0.1, 0.2])}
    _, effects = benchmark_rows("d", "s", 0.8, drops, {"text": 1, "image": 1, "all": 2})
    assert report.sentence(effects, "zero") == (
        "Switching off a set cost more than each of its matched random controls on 1 of 1 benchmarks for image, "
        "1 of 1 for all sets together; never for text."
    )
    assert report.largest_drops(effects)[1] == (
        "image: most on d, from 0.800 to 0.500, a drop of 0.300 [0.239, 0.362]; its 2 controls lose at most 0.040"
    )
    assert report.chance(effects).startswith(
        "2 of 3 comparisons beat every control; random sets would do so in at most 1.000"
    )


def test_sentence_is_honest_when_null() -> None:
    _, effects = benchmark_rows("d", "s", 0.8, {"text": (0.01, [0.0, 0.02])}, {"text": 1})
    assert "never cost more" in report.sentence(effects, "zero")
    assert "Applying minimum to" in report.sentence(effects, "minimum")
    uncontrolled = [{**row, "num_controls": 0, "p_value": float("nan")} for row in effects]
    assert report.sentence(uncontrolled, "zero").startswith("No controls were drawn")


def test_set_sizes_tell_asked_from_unique(cfg: DictConfig) -> None:
    from lode.figure import read_tables

    table = read_tables(OmegaConf.to_container(cfg.io.tables), ["neurons"])["neurons"][0]
    sizes = report.set_sizes(table, 61)
    assert sizes["num_chosen"] == sum(row["num_neurons"] for row in sizes["rows"])
    method = [row for row in table.data.to_pylist() if row["kind"] == "method" and row["set_name"] == "all"]
    assert sizes["num_unique"] == len(method) < sizes["num_chosen"]
    assert sizes["num_draws"] == 3
    assert "all" not in [row["name"] for row in sizes["rows"]]


def test_clean_scores_that_differ_between_selections_all_stay(cfg: DictConfig) -> None:
    from lode.figure import Table, read_tables

    tables = read_tables(OmegaConf.to_container(cfg.io.tables), ["scores"])["scores"]
    assert len(report.clean_scores(tables)) == len(BENCHMARKS) * 2
    changed = tables[0].data.to_pydict()
    changed["value"] = [value + 0.001 for value in changed["value"]]
    other = Table(tables[0].keys, type(tables[0].data).from_pydict(changed, schema=tables[0].data.schema))
    assert len(report.clean_scores([*tables, other])) == len(BENCHMARKS) * 2 + 2


def test_number_of_asked_neurons_is_what_the_select_stage_recorded(cfg: DictConfig) -> None:
    from lode.figure import read_tables

    table = read_tables(OmegaConf.to_container(cfg.io.tables), ["neurons"])["neurons"][0]
    record = {"kind": "neurons", "what": "tiny_qwen2_vl/miner", "num_asked": 7}
    other = {"kind": "neurons", "what": "tiny_qwen2_vl/other", "num_asked": 8}
    assert report._num_asked(table, [other, record]) == 7


def test_figure_without_provenance_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.svg"
    path.write_text("<svg/>")
    with pytest.raises(UserError, match="no provenance"):
        report.read_figure(str(path))
    path.write_text("<svg>")
    with pytest.raises(UserError, match="not a readable SVG"):
        report.read_figure(str(path))


def test_caption_is_read_from_the_figure(cfg: DictConfig) -> None:
    figure = report.read_figure(cfg.io.figures[0])
    assert figure["caption"] == f"{HOSTILE} of set_overlap"
    assert figure["record"]["versions"] == MADE_BY["versions"]
