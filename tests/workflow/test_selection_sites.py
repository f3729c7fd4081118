"""Sites of selections in an experiment: which model a selection is made of, and what is refused before any job."""

import re

import pytest

from workflow.check import open_experiment
from workflow.study import Experiment

TOWER = "+selections.tower=['selection=miner','selection.sites=[lm_gate,vision_tower]']"
CAPTURED = "capture.sites=null"
DATASETS = ("mining_datasets=[toy_caption,toy_speech]", "benchmarks=[toy_caption,toy_speech]")


def pipeline(*overrides: str) -> Experiment:
    """Two models, of which one has a vision tower and the other an audio tower."""
    given = ["models=[tiny_qwen2_vl,tiny_qwen2_audio]", *DATASETS, *overrides]
    return open_experiment({"experiment": "smoke", "overrides": given})


def test_a_selection_is_made_of_the_models_that_have_its_sites() -> None:
    run = pipeline(TOWER, CAPTURED)
    made = [(row["model"], row["selection"]) for row in run.plan.jobs("select_neurons").values()]
    assert made == [
        ("tiny_qwen2_vl", "miner"),
        ("tiny_qwen2_vl", "miner_adaptive"),
        ("tiny_qwen2_vl", "tower"),
        ("tiny_qwen2_audio", "miner"),
        ("tiny_qwen2_audio", "miner_adaptive"),
    ]
    for step in ("benchmark_ablation", "score_ablation", "measure_selectivity"):
        assert {(row["model"], row["selection"]) for row in run.plan.jobs(step).values()} == set(made)
    assert len(run.plan.reads("judge_sets", {})["neurons"]) == len(made)


def test_sites_of_a_planted_model_are_those_of_its_base() -> None:
    chosen = ["models=[hidden_1]", "+selections.tower=['selection=miner','selection.sites=[vision_tower]']", CAPTURED]
    run = open_experiment({"experiment": "scoreboard", "overrides": chosen})
    assert f"{run.root}/rate_selectors/hidden_1/tower.parquet" in run.plan.files("ratings")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ((TOWER,), "selection tower names the site vision_tower, which is not captured: capture.sites = ['lm_gate']"),
        (
            ("+selections.q=['selection=miner','selection.sites=[qformer_text]']", CAPTURED),
            "selection q: no model of the experiment (tiny_qwen2_vl, tiny_qwen2_audio) has all of selection.sites = "
            "['qformer_text']",
        ),
        (("selection.sites=[vision_tower]", CAPTURED), "model tiny_qwen2_audio has the sites of none"),
        (("selection.sites=[]",), "selection.sites = []: expected at least one"),
        (("selection.sites=[lm_gate,lm_gate]",), "selection.sites = ['lm_gate', 'lm_gate']: expected at least one"),
        (
            (
                "models=[tiny_qwen2_vl]",
                "mining_datasets=[toy_caption]",
                "benchmarks=[toy_caption]",
                "+selections.can=['selection=can','selection.sites=[vision_tower]']",
                "gradients.enabled=true",
                CAPTURED,
            ),
            "selection can needs gradients, which are taken at lm_gate alone",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_any_job(overrides: tuple[str, ...], says: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(says)):
        pipeline(*overrides)
