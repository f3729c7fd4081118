"""Scores by strata and classes on a table small enough to work by hand; and which experiments have such jobs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from lode.checks.steps import validate
from lode.engine.errors import UserError
from lode.engine.tables import read_table
from lode.neurons import SetKey
from lode.stages import score_strata
from lode.statistics.intervals import LEVEL, drop_intervals, score_intervals
from lode.study import STUDY, compose
from lode.table import table_of
from lode.table.class_summary import CLASS_SUMMARY
from tests.scored_run import RIGHT, dataset_rows, prediction_rows, scoring_stage
from workflow.check import open_experiment

__all__ = ["scoring_stage"]  # a fixture

TABLES = ("strata", "classes", "class_summary")
CHOICES = ["1", "2", "3"]
#: Six samples in three clusters of two; those of kind y are one cluster.
GOLD = [0, 0, 0, 1, 1, 2]
KINDS = "xxxxyy"
SCORES = ["begins_with_answer", "step_accuracy"]


def dataset(**meta: Any) -> list[dict[str, Any]]:
    rows = []
    for i, row in enumerate(dataset_rows()):
        gold = GOLD[i] if i < 6 else 1
        said = {"kind": KINDS[i] if i < 6 else "x", "size": 10 - i, "sure": i < 3, **meta}
        rows.append(
            row | {"choices": CHOICES, "answer_index": gold, "answers": [CHOICES[gold]], "meta": json.dumps(said)}
        )
    return rows


def predictions() -> list[dict[str, Any]]:
    """Replies of `RIGHT`; a wrong one says 1, or, where 1 is right, nothing that is a choice."""
    rows = prediction_rows()
    for row in rows:
        place = int(row["sample_id"][1:])
        right = RIGHT["none" if row["set_name"] == "none" else row["set_name"]][place] == "1"
        wrong = "1" if GOLD[place] else "none of them"
        row |= {"reply": CHOICES[GOLD[place]] if right else wrong, "begins_with_answer": right}
        row |= {"choice_log_likelihoods": [-1.0 - 2 * (i != GOLD[place]) for i in range(3)]}
    return rows


Run = Callable[..., dict[str, list[dict[str, Any]]]]


@pytest.fixture(name="strata")
def strata_stage(stage: Callable[..., Any], tmp_path: Path) -> Run:
    """A function that scores, runs the stage, and returns its tables and the scores as lists of rows."""

    def execute(
        rows: list[dict[str, Any]] | None = None,
        data: list[dict[str, Any]] | None = None,
        strata: tuple[str, ...] = ("kind",),
        classes: tuple[str, ...] = ("step_accuracy",),
        after: list[dict[str, Any]] | None = None,
    ) -> dict[str, list[dict[str, Any]]]:
        scores, _ = stage(rows or predictions(), data or dataset(), scores=SCORES)
        io: dict[str, Any] = {name: str(tmp_path / f"{name}.parquet") for name in ("dataset", "sample_scores", *TABLES)}
        io["predictions"] = str(tmp_path / "0.predictions.parquet")
        section = {"name": "toy", "strata": list(strata), "classes": list(classes)}
        cfg = OmegaConf.create({"dataset": section, "io": io})
        OmegaConf.set_struct(cfg, True)
        score_strata.run(cfg, {"config_digest": "abc"})
        return {"scores": scores} | {name: read_table(io[name], table_of(name)).to_pylist() for name in TABLES}

    return execute


def of(rows: list[dict[str, Any]], **where: Any) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[key] == value for key, value in where.items())]


def test_strata_by_hand(strata: Run) -> None:
    """The image set is right in samples 2, 4 and 5: one of four x, both y."""
    rows = of(strata()["strata"], score_name="step_accuracy", set_name="image")
    assert [(row["stratum_key"], row["stratum"], row["num_samples"], row["num_clusters"]) for row in rows] == [
        ("kind", "x", 4, 2),
        ("kind", "y", 2, 1),
    ]
    assert [(row["value"], row["drop"]) for row in rows] == [(0.25, 0.75), (1.0, 0.0)]
    values, clusters = np.array([[0.0, 0.0, 1.0, 0.0]]), np.array([0, 0, 1, 1])
    (low,), (high,) = score_intervals(values, clusters, LEVEL)
    assert (rows[0]["interval_low"], rows[0]["interval_high"]) == pytest.approx((low, high))
    (low,), (high,) = drop_intervals(1 - values, clusters, LEVEL)
    assert (rows[0]["drop_low"], rows[0]["drop_high"]) == pytest.approx((low, high))
    for name in ("interval_low", "interval_high", "drop_low", "drop_high"):
        assert rows[1][name] is None, "one cluster has no spread"


def test_strata_add_up_to_the_whole(strata: Run) -> None:
    found = strata(strata=("kind", "size", "sure"))
    for row in found["scores"]:
        for key, num in (("kind", 2), ("size", 6), ("sure", 2)):
            parts = of(found["strata"], score_name=row["score_name"], set_name=row["set_name"], stratum_key=key)
            assert len(parts) == num
            assert sum(part["num_samples"] for part in parts) == row["num_samples"] == 6
            whole = sum(part["value"] * part["num_samples"] for part in parts) / 6
            assert whole == pytest.approx(row["value"])
            assert {(part["unit"], part["outcome"], part["kind"]) for part in parts} == {
                (row["unit"], row["outcome"], row["kind"])
            }


def test_a_key_of_two_is_both_at_once(strata: Run) -> None:
    """Samples 0 to 2 are x and sure, 3 is x and not, 4 and 5 are y and not; the image set has 2, 4, 5."""
    rows = of(strata(strata=("kind+sure",))["strata"], score_name="step_accuracy", set_name="image")
    assert [(row["stratum_key"], row["stratum"], row["num_samples"]) for row in rows] == [
        ("kind+sure", "x+False", 1),
        ("kind+sure", "x+True", 3),
        ("kind+sure", "y+False", 2),
    ]
    assert [row["value"] for row in rows] == pytest.approx([0, 1 / 3, 1])


def test_one_stratum_of_all_is_the_whole(strata: Run) -> None:
    found = strata(data=dataset(kind="all"))
    for row in found["scores"]:
        (part,) = of(found["strata"], score_name=row["score_name"], set_name=row["set_name"])
        for name in ("value", "interval_low", "interval_high"):
            assert part[name] == row[name]


def test_strata_are_in_order_and_the_clean_set_loses_nothing(strata: Run) -> None:
    rows = strata(strata=("size", "sure"))["strata"]
    sizes = list(dict.fromkeys(row["stratum"] for row in of(rows, stratum_key="size")))
    assert sizes == ["5", "6", "7", "8", "9", "10"], "by value, not as texts"
    assert {row["stratum"] for row in of(rows, stratum_key="sure")} == {"False", "True"}
    assert {row["drop"] for row in of(rows, kind="clean")} == {0.0}


@pytest.mark.parametrize("meta", [{"kind": None}, {"kind": ["x"]}])
def test_a_key_without_a_value_is_refused_with_those_that_have(strata: Run, meta: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"dataset\.strata: 'kind' of sample s0 is .*which has size, sure here"):
        strata(data=dataset(**meta))
    with pytest.raises(UserError, match="'type' of sample s0 is 'not there'"):
        strata(strata=("type",))
    with pytest.raises(UserError, match="'type' of sample s0 is 'not there'"):
        strata(strata=("size+type",))


def test_classes_by_hand(strata: Run) -> None:
    """The image set: gold 1 1 1 2 2 3, said - - 1 1 2 3."""
    found = strata()
    rows = of(found["classes"], set_name="image")
    assert [row["class_name"] for row in rows] == CHOICES
    assert [row["confusion"] for row in rows] == [[1, 0, 0, 2], [1, 1, 0, 0], [0, 0, 1, 0]]
    assert [(row["num_gold"], row["num_said"], row["num_right"]) for row in rows] == [(3, 2, 1), (2, 1, 1), (1, 1, 1)]
    assert [row["recall"] for row in rows] == pytest.approx([1 / 3, 1 / 2, 1])
    assert [row["precision"] for row in rows] == pytest.approx([1 / 2, 1, 1])
    assert [row["f1"] for row in rows] == pytest.approx([2 / 5, 2 / 3, 1])
    (summary,) = of(found["class_summary"], set_name="image")
    assert summary["accuracy"] == pytest.approx(1 / 2)
    assert summary["macro_f1"] == pytest.approx((2 / 5 + 2 / 3 + 1) / 3)
    assert summary["invalid_frac"] == pytest.approx(1 / 3)
    assert summary["kappa"] == pytest.approx((1 / 2 - 9 / 36) / (1 - 9 / 36))  # 3 * 2 + 2 * 1 + 1 * 1 of 36 by chance
    assert summary["best_constant"] == 1 / 2
    assert summary["mined_constant"] == pytest.approx(1 / 3), "the one mined sample is of class 2"
    assert summary["uniform"] == pytest.approx(1 / 3)
    assert not summary["above_constant"]
    (clean,) = of(found["class_summary"], set_name="none")
    assert (clean["accuracy"], clean["kappa"], clean["invalid_frac"], clean["macro_f1"]) == (1, 1, 0, 1)


def test_one_cluster_has_no_interval_and_no_mined_sample_no_mined_constant(strata: Run) -> None:
    unmined = strata(data=[row for row in dataset() if row["split"] == "test"])["class_summary"]
    assert {row["mined_constant"] for row in unmined} == {None}
    assert {row["best_constant"] for row in unmined} == {1 / 2}
    assert None not in {row["above_constant"] for row in unmined}
    samples = [row | {"cluster_id": "c"} for row in dataset()[:6]]
    of_image = [row for row in predictions() if row["set_name"] == "image"]
    _, (row,) = score_strata.class_rows("step_accuracy", {SetKey("image", "method"): of_image}, samples, [])
    assert (row["accuracy"], row["best_constant"], row["mined_constant"]) == (1 / 2, 1 / 2, None)
    assert row["interval_low"] is row["interval_high"] is row["above_constant"] is None
    assert not [name for name, value in row.items() if value is None and not CLASS_SUMMARY.schema.field(name).nullable]
    assert {*CLASS_SUMMARY.schema.names} - {*row} == {"dataset"}


def test_accuracy_by_classes_is_the_score(strata: Run) -> None:
    found = strata()
    assert len(found["class_summary"]) == len(RIGHT)
    for row in found["class_summary"]:
        (score,) = of(found["scores"], score_name=row["score_name"], set_name=row["set_name"])
        for one, other in (("accuracy", "value"), ("interval_low",) * 2, ("interval_high",) * 2):
            assert row[one] == pytest.approx(score[other])


def test_sets_without_replies_have_classes_by_likelihood_alone(strata: Run) -> None:
    rows = predictions()
    for row in rows:
        if row["set_name"] == "image-1":
            row |= dict.fromkeys(("reply", "begins_with_answer", "num_reply_tokens", "truncated"))
    found = strata(rows, classes=("choice_likelihood", "step_accuracy"))["class_summary"]
    assert len(of(found, score_name="choice_likelihood")) == len(RIGHT)
    assert {row["accuracy"] for row in of(found, score_name="choice_likelihood")} == {1.0}
    assert {row["set_name"] for row in of(found, score_name="step_accuracy")} == set(RIGHT) - {"image-1"}


def test_what_is_not_asked_for_is_empty(strata: Run) -> None:
    found = strata(strata=(), classes=())
    assert all(not found[name] for name in TABLES)


def test_classes_need_a_right_choice(strata: Run) -> None:
    data = dataset()
    data[2] |= {"answer_index": -1, "answers": ["4"]}
    with pytest.raises(UserError, match="sample s2 has no right choice"):
        strata(data=data)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (
            "dataset.classes=[exact_match]",
            r"reads replies as choices .*'exact_match'; expected one of category_accuracy",
        ),
        ("dataset.strata=[category,category]", "expected each name once"),
        (
            "dataset.strata=[nope]",
            r"key of `meta` \(dataset.strata of toy_errorradar_cate\) 'nope'; expected one of .*task",
        ),
        ("dataset.strata=[category+nope]", "'nope'"),
    ],
)
def test_what_can_be_no_strata_is_refused(override: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        validate(compose(["dataset=toy_errorradar_cate", override]), "score_strata")


def test_only_benchmarks_with_strata_have_such_jobs() -> None:
    plain = open_experiment({"experiment": "smoke"})
    assert not plain.plan.files("strata")
    with_strata = ["benchmarks=[toy_mmlu,toy_errorradar_cate]"]
    run = open_experiment({"experiment": "smoke", "overrides": with_strata})
    files = run.plan.files("strata")
    assert files
    assert {Path(path).stem for path in files} == {"toy_errorradar_cate"}
    assert set(run.plan.reads("build_report", {})["class_summary"]) == set(run.plan.files("class_summary"))
    assert set(STUDY.steps["score_strata"].writes) == set(TABLES)
