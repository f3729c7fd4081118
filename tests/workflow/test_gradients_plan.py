"""Gradients are captured when a selection of the experiment needs them, and only then; and what reruns with them."""

import re
from pathlib import Path

import pytest

from tests.project_tree import copy_project, snakemake
from workflow.check import open_experiment
from workflow.study import Experiment

RULES = ("capture_activations", "capture_gradients", "aggregate_importance", "aggregate_gradients", "select_neurons")
WITH_CAN = ("+selections.can=['selection=can']", "gradients.enabled=true")


def planned(tree: Path, *overrides: str) -> dict[str, int]:
    output = snakemake(tree, "--dry-run", overrides=list(overrides))
    counts = dict(re.findall(r"^(\w+) +(\d+)$", output.split("Job stats:")[1], re.MULTILINE))
    return {rule: int(counts[rule]) for rule in RULES if rule in counts}


def test_dry_run(tmp_path: Path) -> None:
    """Two models, one dataset: allowed but not needed changes nothing; one selection needs one capture a model."""
    tree = copy_project(tmp_path)
    usual = {"capture_activations": 2, "aggregate_importance": 2, "select_neurons": 4}
    assert planned(tree, WITH_CAN[1]) == usual
    needed = {"select_neurons": 6, "capture_gradients": 2, "aggregate_gradients": 2}
    assert planned(tree, *WITH_CAN) == usual | needed


def pipeline(*overrides: str) -> Experiment:
    """MINER and a selection that needs gradients."""
    return open_experiment({"experiment": "smoke", "overrides": [*WITH_CAN, *overrides]})


def test_only_the_selections_that_need_gradients_read_them() -> None:
    run = pipeline()
    assert run.attributed == ["can"]
    read = {
        name: run.plan.reads("select_neurons", {"model": "tiny_qwen2_vl", "selection": name})
        for name in ("miner", "can")
    }
    importance = {"importance": f"{run.root}/aggregate_importance/tiny_qwen2_vl.parquet"}
    assert read["miner"] == importance
    assert read["can"] == importance | {"attributions": f"{run.root}/aggregate_gradients/tiny_qwen2_vl.parquet"}
    assert run.plan.files("gradients") == [
        f"{run.root}/capture_gradients/tiny_qwen2_vl/{name}/0.parquet" for name in ("toy_caption", "toy_mmlu")
    ]
    assert open_experiment({"experiment": "smoke"}).plan.files("gradients") == []


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("gradients.alpha=1", {"capture_gradients"}),
        ("gradients.num_steps=4", {"capture_gradients"}),
        ("capture.num_bins=64", {"capture_activations"}),
        ("capture.shards=2", {"capture_activations", "capture_gradients"}),
        ("model.dtype=bfloat16", {"capture_activations", "capture_gradients"}),
        ("selection.ratio=0.03", {"select_neurons"}),
        ("runtime.threads=2", set()),
    ],
)
def test_what_a_value_runs_again(override: str, changed: set[str]) -> None:
    """Of these steps; what comes after them follows by their outputs."""
    shard = {"model": "tiny_qwen2_vl", "dataset": "toy_mmlu", "shard": "0"}
    steps = {
        "capture_activations": shard,
        "capture_gradients": shard,
        "aggregate_gradients": {"model": "tiny_qwen2_vl"},
        "select_neurons": {"model": "tiny_qwen2_vl", "selection": "can"},
    }
    before, after = (
        {step: run.plan.semantic(step, wildcards) for step, wildcards in steps.items()}
        for run in (pipeline(), pipeline(override))
    )
    assert {step for step in steps if before[step] != after[step]} == changed


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gradients.enabled=false", "selection can needs statistics that gradients.enabled = False leaves out"),
        ("gradients.alpha=1.5", "gradients.alpha = 1.5"),
        ("gradients.num_steps=-1", "gradients.num_steps = -1"),
        ("gradients.batch_size=0", "gradients.batch_size = 0"),
        ("gradients.steps=8", "unknown config key 'gradients.steps'"),
        (
            "+selections.ig=['selection=integrated_gradients']",
            "selection ig needs statistics that gradients.num_steps = 0 leaves out; set gradients.num_steps=8",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_any_job(override: str, message: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(message)):
        pipeline(override)
