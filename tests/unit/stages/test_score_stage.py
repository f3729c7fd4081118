"""The score stage on a table small enough to work by hand."""

import math
import random
from statistics import mean

import numpy as np
import pyarrow.parquet as pq
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_table
from lode.neurons import SetKey
from lode.scoring import exact_match
from lode.scoring._scored import Scored, kinds_of_controls
from lode.stages.score_ablation import score_sets
from lode.table import table_of
from lode.table.sample_scores import SAMPLE_SCORES
from tests.scored_run import NUM_SAMPLES, ORDER, OUTPUTS, RIGHT, SCORES, dataset_rows, prediction_rows, scoring_stage

__all__ = ["scoring_stage"]  # a fixture

OUTCOMES = ("content", "stopping", *SCORES)


def of(rows, score, column="value"):
    return {row["set_name"]: row[column] for row in rows if row["score_name"] == score}


def test_scores_by_hand(stage):
    scores, _ = stage()
    assert [(row["score_name"], row["set_name"]) for row in scores] == [
        (score, name) for score in OUTCOMES for name in ORDER
    ]
    roles = {row["score_name"]: (row["outcome"], row["unit"]) for row in scores}
    assert roles == {
        "content": ("content", "nats"),
        "stopping": ("stopping", "nats"),
        "begins_with_answer": ("score", "score in [0, 1]"),
        "exact_match": ("beside", "score in [0, 1]"),
    }
    exact = {row["set_name"]: row for row in scores if row["score_name"] == "exact_match"}
    for name, digits in RIGHT.items():
        assert exact[name]["value"] == pytest.approx(mean(map(int, digits)))
        assert exact[name]["num_samples"] == NUM_SAMPLES
    # Of 6 samples in 3 clusters all are right: Wilson's lower end is below 1, as 3 clusters tell little.
    assert exact["none"]["interval_low"] < 0.6 < exact["none"]["interval_high"] == 1
    image = exact["image"]
    assert image["interval_low"] < 0.2 < 0.8 < image["interval_high"]
    assert image["gold_log_likelihood"] == pytest.approx(-0.1 - 15 / 18 - 3 / 6)
    assert image["end_log_likelihood"] == pytest.approx(-0.2 - 2 * 3 / 6)
    assert image["empty_frac"] == pytest.approx(1 / 6)
    assert image["truncated_frac"] == pytest.approx(1 / 6)
    assert (exact["image-2"]["control_of"], exact["image-2"]["control_draw"]) == ("image", 2)
    assert of(scores, "content")["image"] == pytest.approx(-0.1 - 15 / 18 - 3 / 6)
    assert of(scores, "stopping")["image"] == pytest.approx(-0.2 - 2 * 3 / 6)


def test_content_and_stopping_come_apart(stage):
    """FAULTS N1: a set that loses the end token loses no content, and a score that sees stopping takes it for one."""
    rows = prediction_rows()
    for row in rows:
        if row["set_name"] == "text":
            row |= {"reply": f"{row['gold']} and so on and so on", "begins_with_answer": True, "truncated": True}
            row |= {"end_log_likelihood": -6.0}
    scores, effects = stage(rows)
    lost = {row["outcome"]: row for row in effects if row["set_name"] == "text"}
    assert lost["content"]["drop"] == lost["score"]["drop"] == 0
    assert lost["stopping"]["drop"] == pytest.approx(5.8)
    assert lost["beside"]["drop"] == 1, "exact match sees a reply that goes on"
    text = next(row for row in scores if row["set_name"] == "text")
    assert (text["begins_frac"], text["runs_on_frac"], text["truncated_frac"]) == (1, 1, 1)
    clean = next(row for row in scores if row["kind"] == "clean")
    assert (clean["begins_frac"], clean["runs_on_frac"]) == (1, 0)


def test_chance_is_a_guess_that_does_not_look(stage):
    dataset = dataset_rows()
    for row, answer in zip(dataset, ("b", "c", "b", "c", "a", "d", "a"), strict=True):
        row["answers"] = [answer]
    scores, effects = stage(dataset=dataset)
    constant = next(row for row in scores if row["kind"] == "constant")
    assert (constant["set_name"], constant["num_samples"]) == ("constant", NUM_SAMPLES)
    # Of b and c, both twice, the first; the mined a does not count.
    assert of(scores, "exact_match")["constant"] == pytest.approx(2 / 6)
    # Each of b c b c has 1 + 1 of 5 + 4 words; a and d are new words. To say another's answer never says these.
    often, once = 2 / 9, 1 / 9
    assert of(scores, "content")["constant"] == pytest.approx((4 * math.log(often) + 2 * math.log(once)) / 6)
    # Answers have 1.5 tokens on average: one end in 2.5 tokens.
    assert of(scores, "stopping")["constant"] == pytest.approx(math.log(1 / 2.5))
    assert {row["set_name"] for row in effects} == {"image", "text"}
    content = next(row for row in effects if row["outcome"] == "content")
    assert content["chance"] == of(scores, "content")["constant"]


def test_shares_are_of_what_there_is_to_lose(stage):
    """Exact match: clean 1, chance 1/6; the image set drops 1/2, a share of 3/5."""
    rows = {row["outcome"]: row for row in stage()[1] if row["set_name"] == "image"}
    assert rows["beside"]["measurable"]
    assert (rows["beside"]["chance"], rows["beside"]["share"]) == pytest.approx((1 / 6, 0.6))
    # Each answer is a new word, one of 5 + 6; of clean content of -0.9 it is not sure to be above that.
    assert rows["content"]["chance"] == pytest.approx(-math.log(11))
    assert not rows["content"]["measurable"]
    nearer = [row | {"gold_log_likelihood": row["gold_log_likelihood"] / 10} for row in prediction_rows()]
    content = stage(nearer)[1][0]
    assert content["share"] == pytest.approx(0.05 / (-0.01 - 15 / 180 + math.log(11)))


def test_where_a_guess_does_as_well_there_is_no_share(stage):
    dataset = [row | {"answers": [f"word{i}", "word0"]} for i, row in enumerate(dataset_rows())]
    effects = stage(dataset=dataset)[1]
    exact = exact_effects(effects)[0]
    assert exact["clean"] == exact["chance"] == 1, "word0 is right everywhere"
    assert not exact["measurable"]
    assert exact["share"] is exact["equivalent"] is None


def test_sets_that_wrote_no_reply_have_likelihoods_alone(stage):
    rows = prediction_rows()
    for row in rows:
        if row["set_name"] == "image-1":
            row |= dict.fromkeys(("reply", "begins_with_answer", "num_reply_tokens", "truncated"))
    scores, effects = stage(rows)
    assert "image-1" in of(scores, "content")
    assert "image-1" not in of(scores, "exact_match")
    counts = {row["score_name"]: row["num_controls"] for row in effects if row["set_name"] == "image"}
    assert counts == {"content": 3, "stopping": 3, "begins_with_answer": 2, "exact_match": 2}
    silent = next(row for row in scores if row["set_name"] == "image-1")
    assert silent["begins_frac"] is silent["empty_frac"] is silent["num_reply_tokens"] is None
    rows[next(i for i, row in enumerate(rows) if row["set_name"] == "image-1")]["reply"] = "word0"
    with pytest.raises(UserError, match="'image-1' has a reply to 1 of 6 samples; expected all or none"):
        stage(rows)


def test_multiple_choice_by_likelihood(stage):
    """Of two options the second is right everywhere; the text set makes the model doubt it, the image set turns it."""
    dataset = [row | {"choices": ["a", "b"], "answer_index": 1, "answers": ["B"]} for row in dataset_rows()]
    likelihoods = {"none": [-2.0, -0.1], "text": [-0.8, -0.6], "image": [-0.1, -2.0]}
    rows = [r | {"choice_log_likelihoods": likelihoods.get(r["set_name"], [-1.0, -1.0])} for r in prediction_rows()]
    scores, _ = stage(rows, dataset, scores=["choice_likelihood"])
    values = of(scores, "choice_likelihood")
    assert (values["none"], values["text"], values["image"], values["constant"]) == (1, 1, 0, 1)
    assert values["blank"] == 0  # a tie goes to the first option


def exact_effects(effects):
    return [row for row in effects if row["score_name"] == "exact_match"]


def test_effects_by_hand(stage):
    _, effects = stage()
    assert [(row["score_name"], row["set_name"]) for row in effects] == [
        (score, name) for score in OUTCOMES for name in ("image", "text")
    ]
    image, text = exact_effects(effects)
    assert (image["clean"], image["value"], image["drop"]) == pytest.approx((1, 0.5, 0.5))
    assert image["interval_low"] < 0.2 < 0.8 < image["interval_high"]
    assert image["num_controls"] == 3
    # The controls drop 1/6, 3/6 (a tie with the set) and 1/6.
    assert image["control_drop_mean"] == pytest.approx(5 / 18)
    assert (image["control_drop_min"], image["control_drop_max"]) == pytest.approx((1 / 6, 1 / 2))
    assert image["p_value"] == pytest.approx(2 / 4)
    assert (text["drop"], text["num_controls"], text["p_value"]) == (0, 1, 1)
    assert text["interval_low"] < 0 < text["interval_high"], "nothing lost of 6 is not sure to be nothing"


def test_effect_sizes_by_hand(stage):
    image, text = exact_effects(stage()[1])
    # Three of six lost, none won: differences 1 1 0 1 0 0, variance 6 / 4 / 5; McNemar 2 / 2^3.
    assert image["cohen_d"] == pytest.approx(0.5 / np.sqrt(0.3))
    assert image["odds_ratio"] == pytest.approx(3.5 / 0.5)
    assert image["mcnemar_p"] == pytest.approx(0.25)
    assert (text["cohen_d"], text["odds_ratio"], text["mcnemar_p"]) == (None, 1, 1)


def test_what_is_for_binary_scores_is_null_for_others(stage):
    content = stage()[1][0]
    assert content["cohen_d"] is not None
    assert (content["odds_ratio"], content["mcnemar_p"]) == (None, None)


def test_each_kind_of_control_is_a_rank_of_its_own(stage):
    rows = prediction_rows()
    for row in rows:
        if row["set_name"] == "image-1":  # drops 3/6, as much as the set
            row["control_kind"] = "uniform"
    effects = exact_effects(stage(rows)[1])
    found = [(row["set_name"], row["control_kind"], row["num_controls"]) for row in effects]
    assert found == [("image", "layer_matched", 2), ("image", "uniform", 1), ("text", "layer_matched", 1)]
    assert [row["p_value"] for row in effects] == pytest.approx([1 / 3, 1, 1])
    assert effects[0]["drop"] == effects[1]["drop"]


def test_the_headline_control_comes_first():
    kinds = ("uniform", "layer_matched", "sham", "magnitude_matched")
    sets = [SetKey(f"x-{kind}", "control", "x", kind, 0) for kind in kinds]
    assert kinds_of_controls(sets, "x") == ["magnitude_matched", "layer_matched", "uniform", "sham"]
    assert kinds_of_controls(sets, "y") == [""]


def test_equivalent_is_a_whole_interval_within_ten_points_and_of_scores_alone(stage):
    _, effects = stage()
    assert any(row["unit"] == "nats" for row in effects)
    for row in effects:
        within = row["interval_low"] >= -0.1 and row["interval_high"] <= 0.1
        assert row["equivalent"] is (None if row["unit"] == "nats" else within)


@pytest.mark.parametrize("unit", ["score in [0, 1]", "CIDEr-D / 10"])
@pytest.mark.parametrize(("clean", "lost", "said"), [(0.06, 0.06, None), (0.2, 0.06, True), (0.2, 0.2, False)])
def test_losing_everything_is_never_called_small(unit, clean, lost, said):
    """Of 500 samples a drop of 0.06 is within 10 points for sure, and of a clean 0.06 it is all."""
    values = np.zeros((3, 500))
    values[0, : round(500 * clean)] = values[2, : round(500 * (clean - lost))] = 1
    keys = [SetKey("none", "clean"), SetKey("constant", "constant"), SetKey("image", "method")]
    key = {"dataset": "toy", "score_name": "any", "outcome": "score", "unit": unit}
    (row,) = Scored(key, keys, values, np.arange(500), dict.fromkeys(keys, 5)).effect_rows()
    assert row["measurable"]
    assert row["drop"] == pytest.approx(lost)
    assert (row["interval_high"] <= 0.1) is (lost < 0.1)
    assert row["equivalent"] is (said if unit == "score in [0, 1]" else None)


def test_scores_of_samples_are_kept(stage, tmp_path):
    scores, _ = stage()
    rows = read_table(tmp_path / "sample_scores.parquet", SAMPLE_SCORES).to_pylist()
    assert len(rows) == len(ORDER) * NUM_SAMPLES * len(OUTCOMES)
    for name, digits in RIGHT.items():
        own = [row for row in rows if row["set_name"] == name and row["score_name"] == "exact_match"]
        assert [(row["sample_id"], row["cluster_id"], row["value"]) for row in own] == [
            (f"s{i}", f"c{i // 2}", float(digit)) for i, digit in enumerate(digits)
        ]
    for row in scores:
        own = [r["value"] for r in rows if all(r[k] == row[k] for k in ("set_name", "score_name"))]
        assert mean(own) == pytest.approx(row["value"])


def test_diagnostics_by_hand(stage):
    rows = prediction_rows()
    said = iter(["no no no", "(b)", "B. blue", "blue.", "b c", ""])
    for row in rows:
        if row["set_name"] == "image":
            row |= {"reply": next(said), "num_reply_tokens": len(row["sample_id"]) + (row["sample_id"] == "s5")}
    dataset = [row | {"choices": ["red", "blue"], "answer_index": 0} for row in dataset_rows()]
    scores, _ = stage(rows, dataset)
    image = next(row for row in scores if row["set_name"] == "image")
    assert image["parse_frac"] == pytest.approx(3 / 6)  # (b), B. blue, blue.
    assert image["loop_frac"] == pytest.approx(1 / 6)
    assert image["num_reply_tokens"] == pytest.approx(13 / 6)
    free, _ = stage(rows)
    assert next(row for row in free if row["set_name"] == "image")["parse_frac"] == pytest.approx(5 / 6)
    assert next(row for row in free if row["kind"] == "constant")["num_reply_tokens"] is None


def test_a_drop_above_all_controls_ranks_first(stage):
    rows = [r for r in prediction_rows() if r["set_name"] != "image-1"]
    assert exact_effects(stage(rows)[1])[0]["p_value"] == pytest.approx(1 / 3)


def test_the_drop_is_paired(stage):
    """A set that costs every cluster the same has a certain drop, though what it leaves is uncertain."""
    rows = [r for r in prediction_rows() if r["kind"] == "clean" or r["set_name"] == "text"]
    for row in rows:
        row["gold_log_likelihood"] = -1.0 - int(row["sample_id"][1:]) - (0.5 if row["set_name"] == "text" else 0)
    scores, effects = stage(rows)
    content = effects[0]
    assert (content["interval_low"], content["drop"], content["interval_high"]) == pytest.approx((0.5, 0.5, 0.5))
    assert scores[0]["interval_low"] < scores[0]["interval_high"] - 1


def test_no_log_likelihood_is_said_to_be_above_zero(stage):
    """One sample lost among six: Student's t would reach above 0, where no log-likelihood can be."""
    rows = prediction_rows()
    for row in rows:
        row["gold_log_likelihood"] = -6.0 if row["sample_id"] == "s0" else 0.0
    content = [row for row in stage(rows)[0] if row["score_name"] == "content" and row["kind"] != "constant"]
    assert {(row["value"], row["interval_high"]) for row in content} == {(-1.0, 0.0)}
    assert all(row["interval_low"] < -1 for row in content)


def test_a_set_without_controls_has_p_one_and_no_control_drops(stage):
    _, effects = stage([r for r in prediction_rows() if r["kind"] != "control"])
    assert effects[0]["num_controls"] == 0
    assert effects[0]["p_value"] == 1
    assert np.isnan([effects[0][f"control_drop_{k}"] for k in ("mean", "min", "max")]).all()


def test_rows_in_any_order_and_any_number_of_shards_give_equal_bytes(stage):
    stage()
    first = stage.bytes
    predictions, dataset = prediction_rows(), dataset_rows()
    random.Random(0).shuffle(predictions)
    random.Random(1).shuffle(dataset)
    stage(predictions, dataset)
    assert stage.bytes == first
    stage(shards=3)
    assert stage.bytes == first


def test_adding_a_set_changes_no_other_row(stage):
    scores, _ = stage()
    fewer, _ = stage([r for r in prediction_rows() if r["set_name"] != "image-1"])
    assert fewer == [row for row in scores if row["set_name"] != "image-1"]


def test_outputs_have_the_schema_and_provenance(stage, tmp_path):
    stage()
    for name in OUTPUTS:
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        assert schema.names == table_of(name).columns.names
        assert b'"config_digest": "abc"' in schema.metadata[b"lode"]


def named(name):
    return SetKey(name, "method")


def test_each_distinct_reply_is_scored_once(monkeypatch):

    seen = []
    original = exact_match.score
    monkeypatch.setattr(exact_match, "score", lambda r, s: (seen.extend(r), original(r, s))[1])
    samples = [{"answers": ["a"]}, {"answers": ["b"]}]
    replies = {"first": ["a", "a"], "second": ["a", "b"], "third": ["x", "a"]}
    sets = {named(name): [{"reply": reply} for reply in said] for name, said in replies.items()}
    values = score_sets(exact_match, sets, samples)
    assert values.tolist() == [[1, 0], [1, 1], [0, 0]]
    assert len(seen) == 4  # (0, a), (1, a), (1, b), (0, x)


@pytest.mark.parametrize("bad", [np.array([0.5, np.nan]), np.array([0.5, 1.1]), np.array([-0.1, 0]), np.zeros(3)])
def test_a_score_out_of_contract_is_refused(monkeypatch, bad):
    monkeypatch.setattr("lode.scoring.exact_match.score", lambda replies, samples: bad)
    with pytest.raises(UserError, match=r"expected 2 numbers in \[0.*, 1.*\].*lode/scoring/exact_match.py"):
        score_sets(exact_match, {named("first"): [{"reply": "a"}, {"reply": "b"}]}, [{}, {}])
