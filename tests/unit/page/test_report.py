"""The report holds every number, escapes every text, loads nothing, and equal runs give equal pages."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table
from lode.figure import Table, read_tables
from lode.page.report.clean import clean_scores, finding
from lode.page.report.datasets import cluster_sizes, dataset_facts
from lode.page.report.numbers import interval, number, spread
from lode.page.report.opening import conclusion, costs, openings
from lode.page.report.record import read_figure
from lode.page.report.runs import cells, chance, largest_drops, runs, sentence
from lode.page.report.sets import num_asked, set_sizes
from lode.stages import build_report
from lode.statistics.intervals import smallest_visible_drop
from lode.table.comparisons import COMPARISONS
from lode.table.dataset import DATASET
from lode.table.effects import EFFECTS
from lode.table.neurons import NEURONS
from lode.table.verdicts import VERDICTS
from tests.panels import LOOKS
from tests.report_run import BENCHMARKS, MADE_BY, make_config
from tests.tables import HOSTILE, benchmark_rows, compared_rows, verdict_rows


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    """The config of a run whose report is written."""
    cfg = make_config(tmp_path_factory.mktemp("run"))
    build_report.run(cfg, MADE_BY)
    return cfg


@pytest.fixture(scope="module")
def page(cfg: DictConfig) -> str:
    """The page."""
    return Path(cfg.io.report).read_text()


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
    assert number(value) == expected


@pytest.fixture(scope="module")
def text(page: str) -> str:
    """What a reader sees, with single blanks."""
    return " ".join(" ".join(Tags(page).words).split(None))


def shown(value: str) -> str:
    """As in `text`, where a blank that no line breaks at is a blank."""
    return " ".join(value.split())


def test_every_effect_is_on_the_page(cfg: DictConfig, text: str) -> None:
    rows = [row for path in cfg.io.effects for row in read_table(path, EFFECTS).to_pylist()]
    assert len(rows) == 2 * len(BENCHMARKS) * 4 * 4  # selections, benchmarks, sets, outcomes
    for row in rows:
        drop = shown(f"drop {number(row['drop'])} {interval(row)}")
        assert drop in text
        assert shown(f"controls {number(row['control_drop_mean'])} {spread(row)}") in text
        assert all(number(row[column]) in text for column in ("clean", "chance", "p_value"))
        assert row["unit"] == "nats" or shown(f"{number(row['value'])} {drop}") in text
        assert f"{row['num_neurons']} unique neurons" in text
        if row["outcome"] == "content":
            assert f"{number(row['share'])} of it [" in text
        elif row["unit"] != "nats":
            found = shown(f"{number(row['value'])} drop {number(row['drop'])} {interval(row)}")
            assert (f"{found} equivalent controls" in text) == (row["equivalent"] is True)
    assert {row["equivalent"] for row in rows} == {None, False, True}
    assert {row["outcome"] for row in rows} == {"content", "stopping", "score", "beside"}


def test_verdicts_and_corrected_p_are_on_the_page(cfg: DictConfig, text: str) -> None:
    rows = read_table(cfg.io.verdicts[0], VERDICTS).to_pylist()
    assert len(rows) == 2 * 4 * 3  # selections, sets, outcomes
    for row in rows:
        if row["selectivity"] is None:
            assert f"{row['set_name']} {row['outcome']} cannot be told here: no benchmark of its own none – –" in text
        else:
            shares = f"{row['own'][0]} {number(row['share_own'])} {number(row['share_others'])}"
            found = f"{number(row['selectivity'])} {interval(row)} {interval(row, 'simultaneous')}"
            assert shown(f"{shares} {found}") in text
            assert f"{number(row['p_value'])} {number(row['p_corrected'])}" in text
    for path in cfg.io.comparisons:
        for row in read_table(path, COMPARISONS).to_pylist():
            assert f"p = {number(row['p_value'])}, Holm {number(row['p_holm'])}" in text
    assert "Against every kind of control" not in text, "there is one kind"


def test_the_word_is_set(page: str) -> None:
    assert "mask" not in page.lower()
    folder = Path(build_report.__file__).parents[2] / "config" / "figure"
    assert not [path.name for path in folder.iterdir() if "mask" in path.read_text().lower()]


def test_replies_tell_who_begins_right_and_runs_on(text: str) -> None:
    # Content and stopping in nats, replies that begin with an answer, those that run on, and so forth.
    assert "image −1.250 −0.350 0.810 0.120 1.000 0.000 0.020 0.010 2.500" in text


def test_what_the_data_are_is_told(cfg: DictConfig, text: str) -> None:
    path = cfg.io.dataset[0]
    facts = dataset_facts("toy_mmlu", read_table(path, DATASET), read_provenance(path))
    assert facts["options"] == [f"look = {HOSTILE}", "voice = formant"]
    assert facts["splits"] == {
        "mine": {"num_samples": 2, "num_clusters": 1},
        "test": {"num_samples": 40, "num_clusters": 20},
    }
    assert "toy_mmlu: look = <script>" in text
    assert "voice = formant mine 2 1" in text
    assert cluster_sizes(read_table(path, DATASET)) == {"mine": [2], "test": [2] * 20}


def tables_of(cfg: DictConfig) -> dict[str, list[Table]]:
    return read_tables(cfg.io, build_report.READ)


def test_further_kinds_of_controls_have_a_table(cfg: DictConfig) -> None:
    tables = tables_of(cfg)
    first = tables["effects"][0]
    others = [row | {"control_kind": "uniform"} for row in first.data.to_pylist()]
    both = first.data.from_pylist([*first.data.to_pylist(), *others], schema=first.data.schema)
    tables["effects"][0] = Table(first.keys, both)
    run = runs(tables, LOOKS)[0]
    assert run["kinds"] == ["layer_matched", "uniform"]
    assert len(run["by_kind"]) == 4 * 4 * (len(BENCHMARKS) + 1)
    assert len(run["effects"]) == 4 * 4 * len(BENCHMARKS), "the headline counts once"


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
    folder = Path(cfg.io.report).parent
    shutil.copytree(folder, tmp_path / "copy")
    moved = OmegaConf.create(OmegaConf.to_yaml(cfg).replace(str(folder), str(tmp_path / "copy")))
    build_report.run(moved, MADE_BY)
    assert Path(moved.io.report).read_text() == page
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


def parts(content: dict, stopping: dict, measurable: bool = True) -> list[dict]:
    """Effects of benchmark `d` on content (1.8 nats to lose) and stopping (1.2), in run `r`."""
    sizes = dict.fromkeys([*content, *stopping], 3)
    rows = [
        *benchmark_rows("d", "content", -0.2, content, sizes, measurable)[1],
        *benchmark_rows("d", "stopping", -0.2, stopping, sizes, measurable)[1],
    ]
    return [{**row, "where": "r"} for row in rows]


LOSSES = {"text": (0.01, [0.0, 0.02]), "image": (0.3, [0.01, 0.04]), "all": (0.5, [0.1, 0.2])}
NONE = {"text": (0.0, [0.0, 0.02]), "image": (0.0, [0.01, 0.04]), "all": (0.0, [0.1, 0.2])}


def test_sentence_names_what_beats_controls_and_what_does_not() -> None:
    effects = parts(LOSSES, NONE)
    assert sentence(effects, "content", "zero", LOOKS) == (
        "Switching off a set cost more content than each of its matched controls on 1 of 1 benchmarks for image, "
        "1 of 1 for all sets together; never for text."
    )
    assert sentence(effects, "stopping", "zero", LOOKS) == (
        "Switching off a set never cost more stopping than each of its matched controls, on any benchmark."
    )
    assert shown(largest_drops(effects, LOOKS)[1]) == (
        "image: most content on d, 0.300 nats [0.239, 0.362] of 1.800 above chance, its 2 controls at most 0.040; "
        "most stopping on d, 0.000 nats [−0.061, 0.062], its 2 controls at most 0.040"
    )
    assert chance(effects).startswith("2 of 6 comparisons of content and stopping beat every control; random sets ")
    assert "at most 2.000 of them" in chance(effects)


def test_sentence_is_honest_when_null() -> None:
    effects = parts(NONE, NONE)
    assert "never cost more content" in sentence(effects, "content", "zero", LOOKS)
    assert "Applying minimum to" in sentence(effects, "content", "minimum", LOOKS)
    uncontrolled = [{**row, "num_controls": 0, "p_value": float("nan")} for row in effects]
    assert sentence(uncontrolled, "content", "zero", LOOKS).startswith("No controls were drawn")
    untold = parts(LOSSES, LOSSES, measurable=False)
    assert sentence(untold, "content", "zero", LOOKS).startswith("The unmodified model is not above chance in content")
    assert largest_drops(untold, LOOKS) == []
    assert chance(untold).startswith("0 of 0")


@pytest.mark.parametrize(
    ("content", "stopping", "first", "second"),
    [
        (0.0, 1.2, (0, "0.000 nats (0.000 of it, on d in r)"), (1, "1.200 nats (on d in r)")),
        (0.9, 0.0, (1, "0.900 nats (0.500 of it, on d in r)"), (0, "0.000 nats (on d in r)")),
    ],
)  # fmt: skip
def test_costs_tell_content_from_stopping(
    content: float, stopping: float, first: tuple[int, str], second: tuple[int, str]
) -> None:
    """Counts beside chance, and no word that a test would have to bear: two controls, so 1/3 of random sets."""
    effects = parts({"image": (content, [0.0, 0.0])}, {"image": (stopping, [0.2, 0.1])})
    assert costs(effects) == "; ".join(
        f"{part}: more lost than by every control in {beaten} of 1 comparisons (a random set: 0.333 on average), "
        f"at most {most}"
        for part, (beaten, most) in zip(("content", "stopping"), (first, second), strict=True)
    )
    assert costs([{**row, "num_controls": 0} for row in effects]).startswith("no controls, so")
    untold = parts({"image": (content, [0.0])}, {"image": (stopping, [0.2])}, measurable=False)
    assert costs(untold) == "the unmodified model is above chance nowhere, so nothing can be said of what it costs"


def test_a_loss_beyond_all_there_is_reads_right() -> None:
    """Of 1.8 nats of content above chance 2.5 are lost, and of 1.2 of stopping 6: no share of more than all."""
    effects = parts({"image": (2.5, [0.0, 0.1])}, {"image": (6.0, [0.0, 0.1])})
    said = costs(effects)
    assert "at most 2.500 nats (all it has above chance and more, on d in r)" in said
    assert said.endswith("at most 6.000 nats (on d in r)")
    assert shown(largest_drops(effects, LOOKS)[0]) == (
        "image: most content on d, 2.500 nats [2.439, 2.562], more than the 1.800 above chance, its 2 controls at most "
        "0.100; most stopping on d, 6.000 nats [5.939, 6.062], its 2 controls at most 0.100"
    )


def verdict(set_name: str, called: str, selectivity: float | None, selection: str = "s", reason: str = "") -> dict:
    keys = {"model": "m", "selection": selection, "intervention": "zero"}
    found = {"verdict": called, "selectivity": selectivity, "reason": reason}
    return {**keys, "set_name": set_name, **found}


def test_conclusion_has_three_verdicts_over_all_runs() -> None:
    rows = [
        verdict("text", "not_specific", 0.1),
        verdict("image", "not_specific", 0.2),
        verdict("image", "specific", 0.3, "s2"),
        verdict("special", "cannot_be_told", None, reason="no benchmark of its own"),
        {**verdict("video", "specific", 0.9), "model": "other"},
    ]
    assert conclusion(rows, "m", LOOKS) == (
        "Specific to its group: image (s2 · zero). Not shown to be specific: text. "
        "Cannot be told here: special (no benchmark of its own)."
    )
    assert conclusion(rows[:2], "m", LOOKS) == "No set is shown to be specific to its group: text, image."
    assert conclusion(rows[3:], "m", LOOKS) == "Cannot be told here: special (no benchmark of its own)."


def test_the_page_opens_with_the_verdict_and_what_it_was_corrected_over(cfg: DictConfig, text: str) -> None:
    (opening,) = openings(runs(tables_of(cfg), LOOKS), LOOKS)
    rows = [row for row in read_table(cfg.io.verdicts[0], VERDICTS).to_pylist() if row["outcome"] == "content"]
    told = [row for row in rows if row["selectivity"] is not None]
    best = max(told, key=lambda row: row["selectivity"])
    assert opening["sentence"] in text
    assert text.index(opening["sentence"]) < text.index("Clean scores first")
    assert opening["best"].startswith("Over all runs of this report 8 sets have matched controls, and in 6 of them ")
    place = f"{best['set_name']} in {best['selection']} · zero, {number(best['selectivity'])}"
    assert f"{place}; as the best of 8, {interval(best, 'simultaneous')}." in opening["best"]
    assert [of["name"] for of in opening["sets"]] == ["text", "special", "image", "all"]
    assert "writing 0.980 of the set's, 0.120 of their neurons its own" in " ".join(text.split())
    assert "cannot be told here. The reason: no benchmark of its own." in text
    assert f"a loss of less than {number(smallest_visible_drop(np.full(20, 2), 0.95))} of a benchmark's score" in text


def test_rows_of_nothing_and_of_what_cannot_be_told_stand_apart() -> None:
    effects = parts(LOSSES, NONE) + [{**row, "dataset": "e"} for row in parts(LOSSES, NONE, measurable=False)]
    comparisons, selectivity = compared_rows(effects, "d")
    rows = cells(effects, comparisons)
    assert [(row["dataset"], row["outcome"], row["measurable"], row["loses"]) for row in rows] == [
        ("d", "content", True, True), ("d", "stopping", True, False),
        ("e", "content", False, True), ("e", "stopping", False, False),
    ]  # fmt: skip
    assert [row["by_set"]["image"]["beats"] for row in rows] == [True, False, False, False]
    assert rows[0]["by_set"]["image"]["own"] is True
    judged = verdict_rows(selectivity, {"model": "m", "selection": "s", "intervention": "zero"})
    assert {tuple(row["unmeasurable"]) for row in judged} == {("e",)}


def test_a_clean_score_is_worth_something_above_chance_and_with_its_medium() -> None:
    scores, _ = benchmark_rows("d", "content", -0.2, {}, {})
    clean, blank, constant = scores
    beside = {"blanked": blank, "constant": constant}
    assert finding(clean, beside) == ""
    assert finding({**clean, "interval_low": -2.0}, beside) == "not above chance: nothing can be told here"
    same = {**beside, "blanked": {**blank, "interval_high": -0.1}}
    assert finding(clean, same) == "not clearly worse without its medium"
    assert finding({**clean, "outcome": "stopping"}, same) == "", "no medium is needed to stop"


def test_set_sizes_tell_asked_from_unique(cfg: DictConfig) -> None:
    table = read_tables(cfg.io, [NEURONS])["neurons"][0]
    sizes = set_sizes(table, LOOKS, 61)
    assert sizes["num_chosen"] == sum(row["num_neurons"] for row in sizes["rows"])
    method = [row for row in table.data.to_pylist() if row["kind"] == "method" and row["set_name"] == "all"]
    assert sizes["num_unique"] == len(method) < sizes["num_chosen"]
    assert sizes["num_draws"] == 3
    assert "all" not in [row["name"] for row in sizes["rows"]]


def test_clean_scores_that_differ_between_selections_all_stay(cfg: DictConfig) -> None:
    tables = tables_of(cfg)["scores"]
    visible = dict.fromkeys(BENCHMARKS, 0.05)
    num_rows = 4 * len(BENCHMARKS)  # outcomes
    assert len(clean_scores(tables, visible)) == num_rows
    changed = tables[0].data.to_pydict()
    changed["value"] = [value + 0.001 for value in changed["value"]]
    other = Table(tables[0].keys, type(tables[0].data).from_pydict(changed, schema=tables[0].data.schema))
    found = clean_scores([*tables, other], visible)
    assert len(found) == num_rows + 4
    assert {(row["unit"] == "nats", row["visible"]) for row in found} == {(True, None), (False, 0.05)}


def test_number_of_asked_neurons_is_what_the_select_stage_recorded(cfg: DictConfig) -> None:
    table = read_tables(cfg.io, [NEURONS])["neurons"][0]
    record = {"kind": "neurons", "what": "tiny_qwen2_vl/miner", "num_asked": 7}
    other = {"kind": "neurons", "what": "tiny_qwen2_vl/other", "num_asked": 8}
    assert num_asked(table, [other, record]) == 7


def test_figure_without_provenance_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.svg"
    path.write_text("<svg/>")
    with pytest.raises(UserError, match="no provenance"):
        read_figure(str(path))
    path.write_text("<svg>")
    with pytest.raises(UserError, match="not a readable SVG"):
        read_figure(str(path))


def test_caption_is_read_from_the_figure(cfg: DictConfig) -> None:
    figure = read_figure(cfg.io.figure[0])
    assert figure["caption"] == f"{HOSTILE} of set_overlap"
    assert figure["record"]["versions"] == MADE_BY["versions"]
