"""What a set costs one stratum more than another: by hand, within equal values, and with a known truth."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from lode.checks.benchmark import check_contrasts
from lode.config import ContrastConfig
from lode.engine.errors import UserError
from lode.engine.fingerprint import digest
from lode.engine.tables import provenance, read_table, write_table
from lode.neurons import SetKey
from lode.scoring._scored import Scored
from lode.stages import compare_strata
from lode.stages.compare_strata import contrast_rows
from lode.statistics.ranked import Ranked, ranked_sets
from lode.study import STUDY
from lode.table.contrasts import CONTRASTS
from lode.table.dataset import DATASET
from lode.table.neurons import NEURONS
from lode.table.sample_scores import SAMPLE_SCORES
from workflow.check import open_experiment

DECLARED = ContrastConfig(key="category", one="VIS", other="CAL", within="gold_step")
CLEAN, BLANK, IMAGE = SetKey("none", "clean"), SetKey("blank", "blanked"), SetKey("image", "method")
#: The chance level: 0 here, unless a test says more.
CHANCE = SetKey("constant", "constant")
CONTROLS = [SetKey(f"image~c{draw}", "control", "image", "layer_matched", draw) for draw in range(20)]
SETS = [CLEAN, BLANK, IMAGE, *CONTROLS, CHANCE]
#: Category and gold step of each sample; step 2 has no CAL and counts nowhere.
ITEMS = [("VIS", 5), ("VIS", 5), ("CAL", 5), ("CAL", 5), ("VIS", 6), ("VIS", 6), ("VIS", 6), ("CAL", 6), ("CAL", 6)]
ITEMS += [("VIS", 2), ("VIS", 2), ("KNOW", 2)]
KEY = {"dataset": "toy", "score_name": "step_accuracy", "outcome": "score", "unit": "score in [0, 1]"}


def samples(items: list[tuple[str, int]]) -> list[dict[str, Any]]:
    return [
        {"sample_id": f"s{place}", "meta": json.dumps({"category": category, "gold_step": step})}
        for place, (category, step) in enumerate(items)
    ]


def scored(values: np.ndarray, sets: list[SetKey] = SETS) -> Scored:
    clusters = np.array([f"c{place}" for place in range(values.shape[1])])
    return Scored(KEY, sets, values, clusters, dict.fromkeys(sets, 7))


def ranked_of(sets: list[SetKey]) -> list[Ranked]:
    return ranked_sets([{**key._asdict(), "num_neurons": 7} for key in sets], {})


def all_right(num_samples: int) -> np.ndarray:
    """Of every set, and no constant answer."""
    values = np.ones((len(SETS), num_samples))
    values[-1] = 0
    return values


def by_hand() -> np.ndarray:
    """All right when clean; the image set fails both VIS of step 5, one of three of step 6, one CAL of step 6."""
    values = all_right(len(ITEMS))
    values[2, [0, 1, 4, 8, 9, 10, 11]] = 0
    values[3, 0] = 0  # one control fails one VIS of step 5
    return values


def test_by_hand() -> None:
    ranked = [Ranked("blank", 0, "", [], None, None), *ranked_of(SETS)]
    blank, image = contrast_rows(scored(by_hand()), samples(ITEMS), "need", DECLARED, ranked)
    assert image["parts"] == ["5", "6"], "step 2 has no CAL"
    assert (image["num_one"], image["num_other"]) == (5, 4)
    assert image["drop_one"] == pytest.approx((1 + 1 / 3) / 2)
    assert image["drop_other"] == pytest.approx((0 + 1 / 2) / 2)
    assert image["contrast"] == pytest.approx(2 / 3 - 1 / 4)
    assert image["interval_low"] < image["contrast"] < image["interval_high"]
    assert image["control_values"] == pytest.approx([1 / 4] + [0] * 19)
    assert (image["p_value"], image["verdict"]) == (pytest.approx(1 / 21), "beyond_controls")
    assert (blank["contrast"], blank["verdict"], blank["num_controls"]) == (0, "no_controls", 0)


def test_a_habit_of_one_step_is_no_need() -> None:
    """A broken model that always says 5: right in all of step 5, whatever the kind; VIS are mostly of step 5."""
    items = [("VIS", 5)] * 8 + [("VIS", 6)] * 2 + [("CAL", 5)] * 2 + [("CAL", 6)] * 8
    values = all_right(len(items))
    values[2] = [step == 5 for _, step in items]
    without = ContrastConfig(key="category", one="VIS", other="CAL")
    for declared, expected in ((DECLARED, 0.0), (without, -0.6)):
        (row,) = contrast_rows(scored(values), samples(items), "need", declared, ranked_of(SETS))
        assert row["contrast"] == pytest.approx(expected)


def test_equal_shares_within_each_step_are_the_plain_difference() -> None:
    rng = np.random.default_rng(0)
    items = list(product(("VIS", "CAL"), (5, 6))) * 10
    values = rng.random((len(SETS), len(items)))
    values[0], values[-1] = 1, 0
    rows = [
        next(iter(contrast_rows(scored(values), samples(items), "need", declared, ranked_of(SETS))))
        for declared in (DECLARED, ContrastConfig(key="category", one="VIS", other="CAL"))
    ]
    assert rows[0]["contrast"] == pytest.approx(rows[1]["contrast"])


@pytest.mark.parametrize(("loss", "least", "most"), [(0.0, 0.0, 0.07), (0.6, 0.9, 1.0)])
def test_a_planted_need_is_found_and_none_is_not(loss: float, least: float, most: float) -> None:
    """200 runs: how often the set is above every control and its interval above 0; random sets err by themselves."""
    items = list(product(("VIS", "CAL"), (5, 6))) * 20
    see = np.array([category == "VIS" for category, _ in items])
    found = 0
    for run in range(200):
        rng = np.random.default_rng([7, run])
        values = (rng.random((len(SETS), len(items))) < 0.8).astype(float)
        values[0], values[-1] = 1, 0
        values[2] = np.where(see & (rng.random(len(items)) < loss), 0, values[2])
        (row,) = contrast_rows(scored(values), samples(items), "need", DECLARED, ranked_of(SETS))
        found += row["verdict"] == "beyond_controls" and row["interval_low"] > 0
    assert least <= found / 200 <= most


def test_shares_by_hand() -> None:
    """VIS all right, a tenth of the constant answers too; CAL half right: the set takes .3 of .9, and .2 of .5."""
    items = [("VIS", 5)] * 10 + [("CAL", 5)] * 10
    values = all_right(20)
    values[0, 15:] = values[1:, 15:] = 0
    values[2, :3] = values[2, 10:12] = 0
    values[-1, 0] = 1
    (row,) = contrast_rows(scored(values), samples(items), "need", DECLARED, ranked_of(SETS))
    assert (row["to_lose_one"], row["to_lose_other"]) == (pytest.approx(0.9), pytest.approx(0.5))
    assert (row["drop_one"], row["drop_other"]) == (pytest.approx(0.3), pytest.approx(0.2))
    assert row["contrast"] == pytest.approx(0.3 / 0.9 - 0.2 / 0.5)


def test_where_nothing_is_right_there_is_no_contrast() -> None:
    values = by_hand()
    values[:, [2, 3, 7, 8]] = 0  # no CAL is right
    (row,) = contrast_rows(scored(values), samples(ITEMS), "need", DECLARED, ranked_of(SETS))
    assert (row["to_lose_other"], row["contrast"], row["verdict"]) == (None, None, "nothing_to_lose")


def test_what_breaks_all_answers_alike_is_no_need() -> None:
    """200 runs: nine tenths of VIS and half of CAL are right; the set breaks half of all, its controls a twentieth."""
    items = list(product(("VIS", "CAL"), (5, 6))) * 20
    right = np.where([category == "VIS" for category, _ in items], 0.9, 0.5)
    found = 0
    for run in range(200):
        rng = np.random.default_rng([11, run])
        values = np.tile((rng.random(len(items)) < right).astype(float), (len(SETS), 1))
        values[2] *= rng.random(len(items)) >= 0.5
        values[3:-1] *= rng.random((20, len(items))) >= 0.05
        values[-1] = 0
        (row,) = contrast_rows(scored(values), samples(items), "need", DECLARED, ranked_of(SETS))
        found += row["verdict"] == "beyond_controls" and row["interval_low"] > 0
    assert found / 200 <= 0.07


def test_nothing_to_compare_is_refused() -> None:
    values = all_right(4)
    items = [("VIS", 5), ("VIS", 5), ("CAL", 6), ("CAL", 6)]
    with pytest.raises(UserError, match=r"dataset\.contrasts\.need: no value of 'gold_step' has samples of two clust"):
        list(contrast_rows(scored(values), samples(items), "need", DECLARED, ranked_of(SETS)))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"other": "VIS"}, "one and other are both 'VIS'"),
        ({"within": "category"}, "its own key"),
        ({"key": "kind"}, r"contrasts\.need of toy\) 'kind'; expected one of category, gold_step"),
        ({"within": "steps"}, "'steps'"),
    ],
)
def test_a_contrast_that_says_nothing_is_refused(wrong: dict[str, str], said: str) -> None:
    declared = {"key": "category", "one": "VIS", "other": "CAL", "within": "gold_step", **wrong}
    with pytest.raises(UserError, match=said):
        check_contrasts(
            OmegaConf.create({"dataset": {"name": "toy", "plugin": "errorradar_step", "contrasts": {"need": declared}}})
        )


def test_the_step_writes_a_row_a_score_and_set(tmp_path: Path) -> None:
    values = by_hand()
    rows = [
        {**KEY, "score_name": name, **key._asdict(), "num_neurons": 7, "value": float(values[place, at])}
        | {"sample_id": f"s{at}", "cluster_id": f"c{at}"}
        for name in ("step_accuracy", "within_one_step")
        for place, key in enumerate(SETS)
        for at in range(len(ITEMS))
    ]
    data = [
        {
            "sample_id": f"s{at}",
            "cluster_id": f"c{at}",
            "dataset": "toy",
            "split": "test",
            "prompt": "?",
            "answers": ["1"],
        }
        | {"media": [], "choices": [], "answer_index": -1, "meta": row["meta"]}
        for at, row in enumerate(samples(ITEMS))
    ]
    made = provenance("{}", digest("code"))
    paths = {name: str(tmp_path / f"{name}.parquet") for name in ("dataset", "sample_scores", "neurons", "contrasts")}
    for name, table, of in (
        ("dataset", DATASET, data),
        ("sample_scores", SAMPLE_SCORES, rows),
        ("neurons", NEURONS, []),
    ):
        write_table(paths[name], table, of, made)
    contrasts = {"need": {"key": "category", "one": "VIS", "other": "CAL", "within": "gold_step"}}
    compare_strata.run(
        OmegaConf.create(
            {"dataset": {"name": "toy", "plugin": "errorradar_step", "contrasts": contrasts}, "io": paths}
        ),
        {},
    )
    found = read_table(paths["contrasts"], CONTRASTS).to_pylist()
    assert [(row["score_name"], row["set_name"]) for row in found] == [
        (name, of) for name in ("step_accuracy", "within_one_step") for of in ("blank", "image")
    ]
    assert {row["contrast"] for row in found if row["set_name"] == "blank"} == {0.0}


def test_only_benchmarks_with_contrasts_have_such_jobs() -> None:
    assert "compare_strata" in {card.name for card in STUDY.cards}
    plan = open_experiment({"experiment": "smoke", "overrides": ["benchmarks=[toy_textvqa,toy_errorradar_step]"]}).plan
    jobs = plan.jobs("compare_strata").values()
    assert {row["dataset"] for row in jobs} == {"toy_errorradar_step"}
