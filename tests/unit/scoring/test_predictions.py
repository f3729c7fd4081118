"""What the score stage refuses of predictions, and signs of collapse in replies."""

import pytest
from omegaconf import OmegaConf

from lode.engine.errors import UserError
from lode.scoring._diagnostics import loops, parses
from lode.stages.score_ablation import run
from tests.scored_run import SCORES, dataset_rows, prediction, prediction_rows, scoring_stage

__all__ = ["scoring_stage"]  # a fixture


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
    "nan at the end": (changed(is_last_of_image, end_log_likelihood=float("nan")), "end_log_likelihood is nan.*finite"),
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
    with pytest.raises(UserError, match="1 repeated sample id"):
        stage(dataset=[*dataset_rows(), dataset_rows()[0]])
    with pytest.raises(UserError, match="one cluster; expected at least two"):
        stage(changed(lambda r: True, cluster_id="c0"), [row | {"cluster_id": "c0"} for row in dataset_rows()])


def test_a_prediction_table_of_another_kind_is_refused(stage, tmp_path):
    stage()
    io = {"predictions": [str(tmp_path / "scores.parquet")], "dataset": str(tmp_path / "dataset.parquet")}
    cfg = {"dataset": {"name": "toy", "scores": SCORES}, "io": io}
    with pytest.raises(UserError, match="missing column 'sample_id'"):
        run(OmegaConf.create(cfg), {})
