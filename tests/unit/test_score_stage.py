"""The score stage on a table small enough to work by hand, and every input that it must refuse."""

import random
from statistics import mean

import numpy as np
import pyarrow.parquet as pq
import pytest
from omegaconf import OmegaConf

from lode.artifacts import SCHEMAS, read_table, write_table
from lode.diagnostics import loops, parses
from lode.errors import UserError
from lode.stages.score import kinds_of_controls, run, score_sets

NUM_SAMPLES = 6
#: Replies right, as one digit per sample; the clusters are two samples each. Clean has 6 of 6.
RIGHT = {
    "none": "111111",
    "blank": "010000",
    "image": "001011",
    "text": "111111",
    "image-0": "111110",
    "image-1": "001011",
    "image-2": "110111",
    "text-0": "111111",
}
OUTPUTS = ("scores", "effects", "sample_scores")
ORDER = ["none", "blank", "constant", "image", "text", "image-0", "image-1", "image-2", "text-0"]


def dataset_rows():
    report = [(f"s{i}", f"c{i // 2}", "report", f"word{i}") for i in range(NUM_SAMPLES)]
    return [
        {
            "sample_id": sample_id,
            "cluster_id": cluster_id,
            "split": split,
            "prompt": "?",
            "media": [{"kind": "image", "bytes": b"x", "mime": "image/png"}],
            "answers": [answer],
            "choices": [],
            "answer_index": -1,
            "meta": "{}",
        }
        for sample_id, cluster_id, split, answer in [*report, ("m0", "c9", "mine", "mined")]
    ]


def prediction(set_name, i, right):
    of, _, draw = set_name.partition("-")
    kind = {"none": "clean", "blank": "blanked"}.get(set_name, "control" if draw else "method")
    return {
        "sample_id": f"s{i}",
        "cluster_id": f"c{i // 2}",
        "set_name": set_name,
        "kind": kind,
        "control_of": of if draw else "",
        "control_kind": "layer_matched" if draw else "",
        "control_draw": int(draw) if draw else -1,
        "num_neurons": 0 if kind in ("clean", "blanked") else 5,
        "reply": f"word{i}" if right else ("" if i == 0 else f"a word{i}"),
        "gold": f"word{i}",
        "gold_log_likelihood": -0.1 - i / 3 - (not right),
        "num_prompt_tokens": 4,
        "num_reply_tokens": 1,
        "truncated": not right and i == 1,
    }


def prediction_rows():
    return [prediction(name, i, digit == "1") for name in RIGHT for i, digit in enumerate(RIGHT[name])]


USUAL = {"num_resamples": 2000, "confidence_level": 0.95}


@pytest.fixture
def stage(tmp_path):
    """A function that writes the inputs, runs the stage, and returns (scores, effects) as lists of rows."""

    def execute(predictions=None, dataset=None, shards=1, **changes):
        io = {name: str(tmp_path / f"{name}.parquet") for name in ("dataset", *OUTPUTS)}
        write_table(io["dataset"], "dataset", dataset_rows() if dataset is None else dataset, {})
        rows = prediction_rows() if predictions is None else predictions
        io["predictions"] = [str(tmp_path / f"{i}.predictions.parquet") for i in range(shards)]
        for i, path in enumerate(io["predictions"]):
            write_table(path, "predictions", rows[i::shards], {})
        toy = {"name": "toy", "scores": changes.get("scores", ["exact_match", "vqa_paper"])}
        scoring = {key: changes.get(key, usual) for key, usual in USUAL.items()}
        cfg = OmegaConf.create({"seed": changes.get("seed", 2024), "dataset": toy, "scoring": scoring, "io": io})
        OmegaConf.set_struct(cfg, True)
        run(cfg, {"config_digest": "abc"})
        execute.bytes = [(tmp_path / f"{name}.parquet").read_bytes() for name in OUTPUTS]
        return [read_table(io[name], name).to_pylist() for name in ("scores", "effects")]

    return execute


def test_scores_by_hand(stage):
    scores, _ = stage()
    assert [(row["score_name"], row["set_name"]) for row in scores] == [
        (score, name) for score in ("exact_match", "vqa_paper") for name in ORDER
    ]
    exact = {row["set_name"]: row for row in scores if row["score_name"] == "exact_match"}
    vqa = {row["set_name"]: row for row in scores if row["score_name"] == "vqa_paper"}
    for name, digits in RIGHT.items():
        assert exact[name]["value"] == pytest.approx(mean(map(int, digits)))
        assert exact[name]["num_samples"] == NUM_SAMPLES
    assert vqa["image"]["value"] == pytest.approx(5 / 6)  # only the empty reply lacks the word
    assert exact["none"]["interval_low"] == exact["none"]["interval_high"] == 1
    # Clusters of image score 0/2, 1/2, 2/2: one draw of 27 (3.7 %, more than a tail of 2.5 %) is all 0, one all 1.
    assert (exact["image"]["interval_low"], exact["image"]["interval_high"]) == (0, 1)
    assert exact["image"]["gold_log_likelihood"] == pytest.approx(-0.1 - 15 / 18 - 3 / 6)
    assert exact["image"]["empty_frac"] == pytest.approx(1 / 6)
    assert exact["image"]["truncated_frac"] == pytest.approx(1 / 6)
    assert (exact["image-2"]["control_of"], exact["image-2"]["control_draw"]) == ("image", 2)


def test_chance_is_the_commonest_answer(stage):
    dataset = dataset_rows()
    for row, answer in zip(dataset, ("b", "c", "b", "c", "a", "d", "a"), strict=True):
        row["answers"] = [answer]
    scores, effects = stage(dataset=dataset, scores=["exact_match"])
    constant = next(row for row in scores if row["kind"] == "constant")
    assert (constant["set_name"], constant["num_samples"]) == ("constant", NUM_SAMPLES)
    assert constant["value"] == pytest.approx(2 / 6)  # of b and c, both twice, the first; the mined a does not count
    assert constant["gold_log_likelihood"] is None
    assert {row["set_name"] for row in effects} == {"image", "text"}


def test_multiple_choice_by_likelihood(stage):
    """Of two options the second is right everywhere; the text set makes the model doubt it, the image set turns it."""
    dataset = [row | {"choices": ["a", "b"], "answer_index": 1, "answers": ["B"]} for row in dataset_rows()]
    likelihoods = {"none": [-2.0, -0.1], "text": [-0.8, -0.6], "image": [-0.1, -2.0]}
    rows = [r | {"choice_log_likelihoods": likelihoods.get(r["set_name"], [-1.0, -1.0])} for r in prediction_rows()]
    scores, _ = stage(rows, dataset, scores=["choice_likelihood"])
    values = {row["set_name"]: row["value"] for row in scores}
    assert (values["none"], values["text"], values["image"], values["constant"]) == (1, 1, 0, 1)
    assert values["blank"] == 0  # a tie goes to the first option


def test_effects_by_hand(stage):
    _, effects = stage()
    assert [(row["score_name"], row["set_name"]) for row in effects] == [
        (score, name) for score in ("exact_match", "vqa_paper") for name in ("image", "text")
    ]
    image, text = effects[:2]
    assert (image["clean"], image["value"], image["drop"]) == pytest.approx((1, 0.5, 0.5))
    assert (image["interval_low"], image["interval_high"]) == (0, 1)
    assert image["num_controls"] == 3
    # The controls drop 1/6, 3/6 (a tie with the set) and 1/6.
    assert image["control_drop_mean"] == pytest.approx(5 / 18)
    assert (image["control_drop_min"], image["control_drop_max"]) == pytest.approx((1 / 6, 1 / 2))
    assert image["p_value"] == pytest.approx(2 / 4)
    assert (text["drop"], text["num_controls"], text["p_value"]) == (0, 1, 1)


def test_effect_sizes_by_hand(stage):
    _, effects = stage()
    image, text = effects[:2]
    # Three of six lost, none won: differences 1 1 0 1 0 0, variance 6 / 4 / 5; McNemar 2 / 2^3.
    assert image["cohen_d"] == pytest.approx(0.5 / np.sqrt(0.3))
    assert image["odds_ratio"] == pytest.approx(3.5 / 0.5)
    assert image["mcnemar_p"] == pytest.approx(0.25)
    assert (text["cohen_d"], text["odds_ratio"], text["mcnemar_p"]) == (None, 1, 1)


def test_what_is_for_binary_scores_is_null_for_others(stage):
    _, effects = stage(scores=["caption_bleu_paper"])
    assert effects[0]["cohen_d"] is not None
    assert (effects[0]["odds_ratio"], effects[0]["mcnemar_p"]) == (None, None)


def test_each_kind_of_control_is_a_rank_of_its_own(stage):
    rows = prediction_rows()
    for row in rows:
        if row["set_name"] == "image-1":  # drops 3/6, as much as the set
            row["control_kind"] = "uniform"
    _, effects = stage(rows, scores=["exact_match"])
    found = [(row["set_name"], row["control_kind"], row["num_controls"]) for row in effects]
    assert found == [("image", "layer_matched", 2), ("image", "uniform", 1), ("text", "layer_matched", 1)]
    assert [row["p_value"] for row in effects] == pytest.approx([1 / 3, 1, 1])
    assert effects[0]["drop"] == effects[1]["drop"]


def test_the_headline_control_comes_first():
    from lode.stages.score import NeuronSet

    kinds = ("uniform", "layer_matched", "sham")
    sets = [NeuronSet(f"x-{kind}", "control", "x", kind, 0, 1) for kind in kinds]
    assert kinds_of_controls(sets, "x") == ["layer_matched", "sham", "uniform"]
    assert kinds_of_controls(sets, "y") == [""]


def test_scores_of_samples_are_kept(stage, tmp_path):
    scores, _ = stage(scores=["exact_match"])
    rows = read_table(tmp_path / "sample_scores.parquet", "sample_scores").to_pylist()
    assert len(rows) == len(ORDER) * NUM_SAMPLES
    for name, digits in RIGHT.items():
        own = [row for row in rows if row["set_name"] == name]
        assert [(row["sample_id"], row["cluster_id"], row["value"]) for row in own] == [
            (f"s{i}", f"c{i // 2}", float(digit)) for i, digit in enumerate(digits)
        ]
    for row in scores:
        own = [r["value"] for r in rows if r["set_name"] == row["set_name"]]
        assert mean(own) == pytest.approx(row["value"])


def test_diagnostics_by_hand(stage):
    rows = prediction_rows()
    said = iter(["no no no", "(b)", "B. blue", "blue.", "b c", ""])
    for row in rows:
        if row["set_name"] == "image":
            row |= {"reply": next(said), "num_reply_tokens": len(row["sample_id"]) + (row["sample_id"] == "s5")}
    dataset = [row | {"choices": ["red", "blue"], "answer_index": 0} for row in dataset_rows()]
    scores, _ = stage(rows, dataset, scores=["exact_match"])
    image = next(row for row in scores if row["set_name"] == "image")
    assert image["parse_frac"] == pytest.approx(3 / 6)  # (b), B. blue, blue.
    assert image["loop_frac"] == pytest.approx(1 / 6)
    assert image["num_reply_tokens"] == pytest.approx(13 / 6)
    free, _ = stage(rows, scores=["exact_match"])
    assert next(row for row in free if row["set_name"] == "image")["parse_frac"] == pytest.approx(5 / 6)
    assert next(row for row in free if row["kind"] == "constant")["num_reply_tokens"] is None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("no no no", True),
        ("no no", False),
        ("", False),
        ("the cat the cat the cat sat", True),
        ("a b c d e f g h " * 3, True),
        ("a b c d e f g h i " * 3, False),
        ("well a b a b a c", False),
        ("!!!!!!!!!!", True),
        ("1000000", False),
        ("haha" * 5, True),
        ("abcde" * 10, False),
        ("yes it is, yes it was", False),
    ],
)
def test_loops_by_hand(reply, expected):
    assert loops(reply) is expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("A", True), ("b", True), ("(C)", True), ("C. sky", True), ("D", False), ("A man", False), ("Because", False),
        ("Red.", True), (" sky blue ", True), ("sky", False), ("", False), ("...", False), ("1", False),
    ],
)  # fmt: skip
def test_parses_by_hand(reply, expected):
    assert parses(reply, ["red", "green", "sky blue"]) is expected
    assert parses(reply, []) is bool(reply.strip())


def test_a_drop_above_all_controls_ranks_first(stage):
    rows = [r for r in prediction_rows() if r["set_name"] != "image-1"]
    assert stage(rows)[1][0]["p_value"] == pytest.approx(1 / 3)


def test_the_drop_is_paired(stage):
    """A set that loses exactly one sample of each cluster has a certain drop, though its score is uncertain."""
    rows = [r for r in prediction_rows() if r["kind"] == "clean" or r["set_name"] == "text"]
    for row in rows:
        i = int(row["sample_id"][1:])
        right = {"none": "111100", "text": "110000"}[row["set_name"]][i] == "1"
        row["reply"] = f"word{i}" if right else "no"
    scores, effects = stage(rows, scores=["exact_match"])
    assert effects[0]["interval_low"] == 0
    assert effects[0]["interval_high"] == 1
    for row in rows:
        i = int(row["sample_id"][1:])
        right = {"none": "111010", "text": "010000"}[row["set_name"]][i] == "1"
        row["reply"] = f"word{i}" if right else "no"
    # Clean clusters score 2, 1, 1 and the set's 1, 0, 0: every cluster drops by one sample of two.
    scores, effects = stage(rows, scores=["exact_match"])
    assert effects[0]["interval_low"] == pytest.approx(0.5)
    assert effects[0]["interval_high"] == pytest.approx(0.5)
    assert scores[0]["interval_low"] < scores[0]["interval_high"]


def test_a_set_without_controls_has_p_one_and_no_control_drops(stage):
    _, effects = stage([r for r in prediction_rows() if r["kind"] != "control"])
    assert effects[0]["num_controls"] == 0
    assert effects[0]["p_value"] == 1
    assert np.isnan([effects[0][f"control_drop_{k}"] for k in ("mean", "min", "max")]).all()


def test_equal_seeds_give_equal_bytes_in_any_row_order_and_other_seeds_do_not(stage):
    scores = ["exact_match", "caption_bleu_paper"]
    stage(scores=scores)
    first = stage.bytes
    predictions, dataset = prediction_rows(), dataset_rows()
    random.Random(0).shuffle(predictions)
    random.Random(1).shuffle(dataset)
    stage(predictions, dataset, scores=scores)
    assert stage.bytes == first
    stage(scores=scores, shards=3)
    assert stage.bytes == first
    # 3 clusters give few distinct ends, so the level is one where the ends move with the draws.
    stage(num_resamples=7, confidence_level=0.5)
    few = stage.bytes
    assert any(stage(seed=seed, num_resamples=7, confidence_level=0.5) and stage.bytes != few for seed in range(5))


def test_adding_a_set_changes_no_other_row(stage):
    scores, _ = stage()
    fewer, _ = stage([r for r in prediction_rows() if r["set_name"] != "image-1"])
    assert fewer == [row for row in scores if row["set_name"] != "image-1"]


def test_outputs_have_the_schema_and_provenance(stage, tmp_path):
    stage()
    for name in OUTPUTS:
        schema = pq.read_schema(tmp_path / f"{name}.parquet")
        assert schema.names == SCHEMAS[name].names
        assert b'"config_digest": "abc"' in schema.metadata[b"lode"]


def test_each_distinct_reply_is_scored_once(monkeypatch):
    from lode.scoring import exact_match

    seen = []
    original = exact_match.score
    monkeypatch.setattr(exact_match, "score", lambda r, s: (seen.extend(r), original(r, s))[1])
    samples = [{"answers": ["a"]}, {"answers": ["b"]}]
    values = score_sets(
        "exact_match", [[{"reply": r} for r in said] for said in (["a", "a"], ["a", "b"], ["x", "a"])], samples
    )
    assert values.tolist() == [[1, 0], [1, 1], [0, 0]]
    assert len(seen) == 4  # (0, a), (1, a), (1, b), (0, x)


@pytest.mark.parametrize("bad", [np.array([0.5, np.nan]), np.array([0.5, 1.1]), np.array([-0.1, 0]), np.zeros(3)])
def test_a_score_out_of_contract_is_refused(monkeypatch, bad):
    monkeypatch.setattr("lode.scoring.exact_match.score", lambda replies, samples: bad)
    with pytest.raises(UserError, match=r"expected 2 numbers in \[0, 1\].*lode/scoring/exact_match.py"):
        score_sets("exact_match", [[{"reply": "a"}, {"reply": "b"}]], [{}, {}])


def changed(where, **values):
    return [row | (values if where(row) else {}) for row in prediction_rows()]


def is_last_of_image(row):
    return row["set_name"] == "image" and row["sample_id"] == "s5"


REFUSED = {
    "unknown sample": (changed(is_last_of_image, sample_id="elsewhere"), "'elsewhere', not in the dataset"),
    "other cluster": (changed(is_last_of_image, cluster_id="c0"), "'s5' is in cluster 'c0'; expected 'c2'"),
    "missing sample": ([r for r in prediction_rows() if not is_last_of_image(r)], "has 5 of the 6 .*'s5' is missing"),
    "missing everywhere": ([r for r in prediction_rows() if r["sample_id"] != "s3"], "'s3' is missing"),
    "duplicate": ([*prediction_rows(), prediction("image", 5, True)], "set 'image', sample 's5' occurs twice"),
    "no clean set": ([r for r in prediction_rows() if r["kind"] != "clean"], "0 sets of kind 'clean'.*exactly one"),
    "no rows": ([], "0 sets of kind 'clean'"),
    "two clean sets": (changed(lambda r: r["set_name"] == "text", kind="clean"), "2 sets of kind 'clean'"),
    "nan": (changed(is_last_of_image, gold_log_likelihood=float("nan")), "gold_log_likelihood is nan.*finite"),
    "infinite": (changed(is_last_of_image, gold_log_likelihood=-float("inf")), "gold_log_likelihood is -inf"),
    "unknown kind": (
        changed(is_last_of_image, kind="sham"),
        "kind is 'sham'; expected one of clean, blanked",
    ),
    "orphan control": ([r for r in prediction_rows() if r["set_name"] != "text"], "controls of 'text'.*image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_predictions_that_do_not_fit_are_refused(stage, case, tmp_path):
    predictions, message = REFUSED[case]
    with pytest.raises(UserError, match=message):
        stage(predictions)
    assert not (tmp_path / "scores.parquet").exists()


def test_options_and_datasets_that_make_no_sense_are_refused(stage):
    with pytest.raises(UserError, match=r"names no score.*dataset\.scores"):
        stage(scores=[])
    for wrong in ({"num_resamples": 0}, {"confidence_level": 1.0}, {"confidence_level": 95}):
        with pytest.raises(UserError, match=r"num_resamples .* expected"):
            stage(**wrong)
    with pytest.raises(UserError, match="1 repeated sample id"):
        stage(dataset=[*dataset_rows(), dataset_rows()[0]])
    with pytest.raises(UserError, match="one cluster; expected at least two"):
        stage(changed(lambda r: True, cluster_id="c0"), [row | {"cluster_id": "c0"} for row in dataset_rows()])


def test_a_prediction_table_of_another_kind_is_refused(stage, tmp_path):
    stage()
    io = {"predictions": [str(tmp_path / "scores.parquet")], "dataset": str(tmp_path / "dataset.parquet")}
    cfg = {"seed": 1, "dataset": {"name": "toy", "scores": ["exact_match"]}, "scoring": USUAL, "io": io}
    with pytest.raises(UserError, match="missing column 'sample_id'"):
        run(OmegaConf.create(cfg), {})
