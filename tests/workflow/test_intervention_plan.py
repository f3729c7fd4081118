"""What an ablation depends on: the importance table where the intervention takes values from it, and nowhere else."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from lode.checks.intervention import read_intervention
from lode.checks.names import known_plugins
from tests.project_tree import EXPERIMENT, copy_project, snakemake
from workflow.check import open_experiment
from workflow.study import Experiment

HALF = "['intervention=scale','intervention.options.strength=0.5','intervention.tokens=own']"
OWN = f"own_interventions={{half: {HALF}, far: ['intervention=steering']}}"


@pytest.fixture(scope="module")
def run() -> Experiment:
    overrides = ["models=[tiny_qwen2_vl]", f"+{OWN}", "interventions=[zero,class_mean,resample,half,far]"]
    return open_experiment({"experiment": "smoke", "overrides": overrides})


def job(intervention: str) -> dict[str, str]:
    own = {"model": "tiny_qwen2_vl", "selection": "miner", "intervention": intervention}
    return {**own, "dataset": "toy_mmlu", "shard": "0"}


@pytest.mark.parametrize(
    ("intervention", "needs"),
    [("zero", False), ("class_mean", True), ("resample", False), ("half", False), ("far", True)],
)
def test_only_what_takes_values_of_the_importance_table_depends_on_it(
    run: Experiment, intervention: str, needs: bool
) -> None:
    read = run.plan.reads("benchmark_ablation", job(intervention))
    expected = f"{run.root}/aggregate_importance/tiny_qwen2_vl.parquet" if needs else None
    assert read.get("importance") == expected


def test_an_own_intervention_is_its_overrides(run: Experiment) -> None:
    assert json.loads(run.plan.semantic("benchmark_ablation", job("half")))["intervention"] == {
        "name": "scale", "plugin": "scale", "options": {"strength": 0.5},
        "neurons": "set", "tokens": "own", "passes": "both",
    }  # fmt: skip
    half, far = (run.plan.code("benchmark_ablation", job(name)) for name in ("half", "far"))
    assert half != far
    effects = run.plan.files("effects")
    assert f"{run.root}/score_ablation/effects/tiny_qwen2_vl/miner/half/toy_mmlu.parquet" in effects


@pytest.mark.parametrize("plugin", sorted(known_plugins("intervention")))
def test_what_is_read_of_a_plugin_is_what_it_says(plugin: str) -> None:
    module = import_module(f"lode.intervention.{plugin}")
    assert read_intervention(plugin)[1] == module.NEEDS
    assert set(module.NEEDS) <= {"class_means", "donors"}
    assert isinstance(module.IN_WEIGHTS, bool)


def test_dry_run(tmp_path: Path) -> None:
    """Both kinds beside each other; the importance table goes to one of them."""
    tree = copy_project(tmp_path)
    experiment = EXPERIMENT.replace("interventions: [zero]", "interventions: [zero, class_mean]")
    (tree / "config/experiment/rerun.yaml").write_text(experiment)
    printed = snakemake(tree, "--dry-run", "--printshellcmds")
    lines = re.findall(r"^Shell command: (python scripts/benchmark_ablation.py .*)$", printed, re.MULTILINE)
    assert len(lines) == 2 * 2 * 2
    for line in lines:
        assert ("io.importance=" in line) == ("intervention=class_mean" in line)
