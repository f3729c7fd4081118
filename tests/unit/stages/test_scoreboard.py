"""Ratings and the scoreboard, with values worked by hand; an oracle wins and a random ranking is chance."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from omegaconf import OmegaConf

from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.figure import house_style, read_tables
from lode.figure import scoreboard as figure
from lode.grouping.modality import grouping
from lode.selection import miner, size
from lode.stages import compare_selectors, rate_selectors
from lode.table.ratings import MEASURES, RATINGS
from lode.table.scoreboard import SCOREBOARD
from lode.table.truth import TRUTH
from tests.dense_tables import captured_importance
from tests.panels import LOOKS

NUM_LAYERS, NUM_NEURONS = 3, 40


# --- one ranking ------------------------------------------------------------------------------------------------------


def test_measures_by_hand() -> None:
    """Six neurons, positives at places 1 and 3 of the ranking; the set is the top 3."""
    positive = np.array([True, False, True, False, False, False])
    scores = np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    selected = scores > 3.5
    roles = np.array(["planted", "specific_mute", "redundant", "host", "large_unspecific", "cancelling"])
    row = rate_selectors.rate_ranking(positive, scores, selected, roles)
    assert row["auroc"] == pytest.approx(7 / 8)  # of 2 x 4 pairs, one is the wrong way round
    assert row["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert (row["num_positive"], row["num_neurons"], row["num_selected"]) == (2, 6, 3)
    assert (row["precision_at_k"], row["mute_at_k"]) == (0.5, 0.5)
    assert (row["host_at_k"], row["unspecific_at_k"]) == (0, 0)
    assert row["false_discovery_frac"] == pytest.approx(1 / 3)
    assert row["recall_frac"] == 1
    assert rate_selectors.rate_ranking(positive, -scores, selected, roles)["unspecific_at_k"] == 1


def test_an_empty_set_discovers_nothing_falsely() -> None:
    row = rate_selectors.rate_ranking(
        np.array([True, False]), np.ones(2), np.zeros(2, dtype=bool), np.array(["planted", "host"])
    )
    assert row["false_discovery_frac"] is None
    assert row["recall_frac"] == 0
    assert row["auroc"] == row["average_precision"] == row["precision_at_k"] == 0.5


def test_ties_at_k_count_by_their_share() -> None:
    """k = 2: one clear winner, then a tie of four that holds one of the marked, for one place."""
    which = np.array([True, True, False, False, False])
    assert rate_selectors.share_at_k(which, np.array([2.0, 1.0, 1.0, 1.0, 1.0]), 2) == pytest.approx((1 + 1 / 4) / 2)
    assert rate_selectors.share_at_k(which[::-1], np.array([2.0, 1.0, 1.0, 1.0, 1.0]), 2) == pytest.approx(
        (0 + 2 / 4) / 2
    )


def test_what_is_never_chosen_comes_last() -> None:
    scores = rate_selectors.finite(np.array([-np.inf, -5.0, 3.0, -np.inf]))
    np.testing.assert_array_equal(np.argsort(-scores, kind="stable"), [2, 1, 0, 3])
    assert scores[0] == scores[3]
    np.testing.assert_array_equal(rate_selectors.finite(np.full(2, -np.inf)), [0, 0])


def test_size_by_hand_knows_no_modality() -> None:
    """Two neurons: over nine prompts |h| adds up to 18 and 9, and they write 3 and 1 a unit: 2 * 3 and 1 * 1."""
    table = captured_importance(0, 1, 2, num_samples=9)
    prompt = np.array(table["group"].to_pylist()) == "prompt"
    sums = np.where(prompt, np.resize([18.0, 9.0], len(prompt)), 1e6)
    for name, values in {"hidden_abs_sum": sums, "down_norm": np.resize([3.0, 1.0], len(prompt))}.items():
        table = table.set_column(table.column_names.index(name), table.schema.field(name), [values])
    assert size.score_neurons(table, ["text", "image"]).tolist() == [[[6.0, 1.0]], [[6.0, 1.0]]]
    sets = size.select_neurons(table, ["text", "image"], 1.0, 1)
    assert {name: pairs.tolist() for name, (pairs, _) in sets.items()} == {"text": [[0, 0]], "image": [[0, 0]]}


# --- a selection on a planted model -----------------------------------------------------------------------------------


def truth_table() -> pa.Table:
    """Every tenth neuron serves text, the next one image but is mute; the fourth after it serves image."""
    rows = []
    for index in range(NUM_LAYERS * NUM_NEURONS):
        role, modality = {0: ("planted", "text"), 1: ("specific_mute", "image"), 4: ("redundant", "image")}.get(
            index % 10, ("existing", "")
        )
        layer, neuron = divmod(index, NUM_NEURONS)
        acts = role != "specific_mute"
        rows.append(dict(site="lm_gate", layer=layer, neuron=neuron, role=role, group=modality, pair=-1, acts=acts))
    return pa.Table.from_pylist(rows, schema=TRUTH.schema)


def importance_table(seed: int = 0) -> pa.Table:
    return captured_importance(seed, NUM_LAYERS, NUM_NEURONS)


def selection(**changes: Any) -> Any:
    base = {"sites": ["lm_gate"], "group_split": "special_text_separate", "groups": None, "ratio": 0.3, "options": {}}
    return OmegaConf.create({**base, **changes})


def oracle(truth: pa.Table) -> Any:
    """A selector that reads the truth."""
    served = np.array(truth["group"].to_pylist()).reshape(NUM_LAYERS, NUM_NEURONS)
    acts = np.array(truth["acts"].to_pylist()).reshape(NUM_LAYERS, NUM_NEURONS)

    def score_neurons(_table: pa.Table, modalities: list[str]) -> np.ndarray:
        return np.stack([np.where((served == name) & acts, 1.0, 0.0) for name in modalities])

    def select_neurons(table: pa.Table, modalities: list[str], _ratio: float, _seed: int) -> dict[str, Any]:
        scores = score_neurons(table, modalities)
        return {name: (np.argwhere(part > 0), part[part > 0]) for name, part in zip(modalities, scores, strict=True)}

    return SimpleNamespace(score_neurons=score_neurons, select_neurons=select_neurons)


def test_an_oracle_is_perfect() -> None:
    truth = truth_table()
    rows = rate_selectors.rate(importance_table(), truth, grouping(), oracle(truth), selection(), 1)
    assert [row["group"] for row in rows] == ["text", "image"], "nothing was planted for special"
    for row in rows:
        assert row["num_positive"] == row["num_selected"] == 12
        assert row["auroc"] == row["average_precision"] == row["precision_at_k"] == row["recall_frac"] == 1
        assert row["false_discovery_frac"] == row["mute_at_k"] == 0


def test_an_oracle_turned_round_is_perfectly_wrong() -> None:
    truth = truth_table()
    perfect = oracle(truth)
    wrong = SimpleNamespace(
        score_neurons=lambda *given: -perfect.score_neurons(*given), select_neurons=perfect.select_neurons
    )
    assert {
        row["auroc"] for row in rate_selectors.rate(importance_table(), truth, grouping(), wrong, selection(), 1)
    } == {0.0}


def test_a_random_ranking_is_chance() -> None:
    """Importance that knows nothing, over 40 tables: 0.5, and the share of those sought, within 4 standard errors."""
    ratings = [
        row
        for seed in range(40)
        for row in rate_selectors.rate(importance_table(seed), truth_table(), grouping(), miner, selection(), 1)
    ]
    for measure, chance in {"auroc": 0.5, "precision_at_k": 0.1, "mute_at_k": 0.1}.items():
        values = np.array([row[measure] for row in ratings])
        assert abs(values.mean() - chance) < 4 * values.std() / len(values) ** 0.5, measure


def test_tables_that_do_not_fit_are_refused() -> None:
    truth = truth_table()
    with pytest.raises(UserError, match="none of prompt was planted"):
        rate_selectors.rate(importance_table(), truth, grouping(), oracle(truth), selection(group_split="prompt"), 1)
    with pytest.raises(UserError, match="the truth is of 119 neurons"):
        rate_selectors.rate(importance_table(), truth.slice(0, 119), grouping(), miner, selection(), 1)


# --- the scoreboard ---------------------------------------------------------------------------------------------------


def rating(name: str, strength: float, seed: int, modality: str, value: float | None) -> dict[str, Any]:
    counts = {"num_neurons": 10, "num_positive": 2, "num_selected": 2}
    key = {"site": "lm_gate", "selection": name, "strength": strength, "planting_seed": seed, "group": modality}
    return {**key, **counts, **dict.fromkeys(MEASURES, value)}


def test_scoreboard_by_hand() -> None:
    rows = compare_selectors.scoreboard(
        [
            rating("one", 2.0, 1, "text", 0.2),
            rating("one", 2.0, 1, "image", 0.4),
            rating("one", 2.0, 2, "text", 0.6),
            rating("one", 2.0, 2, "image", None),
        ]
    )
    cells = {(row["group"], row["measure"]): row for row in rows}
    assert len(rows) == 3 * len(MEASURES)

    def shown(modality: str) -> list[Any]:
        return [cells[modality, "auroc"][name] for name in ("num_seeds", "mean", "low", "high")]

    assert shown("text") == [2, pytest.approx(0.4), 0.2, 0.6]
    assert shown("image") == [1, 0.4, 0.4, 0.4]
    assert shown("all") == [2, pytest.approx(0.45), pytest.approx(0.3), 0.6]
    assert compare_selectors.spread([None]) == {"num_seeds": 0, "mean": None, "low": None, "high": None}


def test_the_text_names_the_best_first() -> None:
    ratings = [rating("good", 6.0, 1, "text", 0.9), rating("bad", 6.0, 1, "text", 0.1)]
    ratings += [rating("bad", 0.5, 1, "text", 0.25), {**rating("good", 0.5, 1, "text", 0.2), "mute_at_k": None}]
    text = compare_selectors.as_text(compare_selectors.scoreboard(ratings))
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith(("| `", "| s"))] == [
        "strength 6", "`good`", "`bad`", "strength 0.5", "`bad`", "`good`",
    ]  # fmt: skip
    assert "0.90 (0.90 to 0.90)" in text
    assert text.splitlines()[-1].endswith("| – |")


@pytest.fixture
def board(tmp_path: Path) -> str:
    """The stage, run on ratings of two selections on four plantings."""
    paths = []
    rng = np.random.default_rng(0)
    for strength in (6.0, 0.5):
        for seed in (1, 2):
            for name in ("miner", "random"):
                path = tmp_path / f"ratings/s{strength}_{seed}/{name}.parquet"
                rows = [rating(name, strength, seed, m, float(rng.random())) for m in ("text", "special", "image")]
                for row in rows:
                    del row["selection"]
                write_table(path, RATINGS, rows, {})
                paths.append(str(path))
    io = {"ratings": paths, "scoreboard": str(tmp_path / "scoreboard.parquet"), "text": str(tmp_path / "scoreboard.md")}
    compare_selectors.run(OmegaConf.create({"io": io}), {})
    return io["scoreboard"]


def test_the_stage_writes_table_and_text(board: str) -> None:
    rows = read_table(board, SCOREBOARD).to_pylist()
    assert len(rows) == 2 * 2 * 4 * len(MEASURES)
    assert {row["selection"] for row in rows} == {"miner", "random"}
    assert {row["num_seeds"] for row in rows} == {2}
    assert Path(board).with_suffix(".md").read_text().count("`miner`") == 2


def test_the_figure_shows_every_mean(board: str) -> None:
    tables = read_tables({"scoreboard": [board]}, [SCOREBOARD])
    rows = tables["scoreboard"][0].data.to_pylist()
    with house_style("scoreboard"):
        drawn = figure.draw(tables, LOOKS)
    panels = [axes for part in drawn.subfigs for axes in part.axes]
    assert [axes.get_title(loc="left") for axes in panels] == ["strength 6", "strength 0.5"] * 2
    means = {
        (row["group"], round(row["mean"], 9)): 0
        for row in rows
        if row["measure"] == "auroc" and row["strength"] == 6 and row["group"] != "all"
    }
    seen = {round(float(line.get_xdata()[0]), 9) for line in panels[2].lines if len(line.get_xdata()) == 1}
    assert seen == {value for _, value in means}
    order = [label.get_text() for label in panels[0].get_yticklabels()]
    first, second = (
        next(r["mean"] for r in rows if (r["selection"], r["strength"], r["measure"], r["group"]) == key)
        for key in ((name, 6.0, "average_precision", "all") for name in order)
    )
    assert first >= second
