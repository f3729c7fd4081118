"""Shifts are measured when a figure, or `shift.enabled`, asks for them; nothing else runs again by it."""

import re
import shutil
from pathlib import Path

import pytest

from tests.plans import run_again
from tests.project_tree import snakemake
from workflow.check import open_experiment

NEW = {"measure_shift", "compare_shifts"}
PAGE = {"plot_figures": 1, "build_report": 1}
DRAWN = "figures=[shift_matrix]"


def jobs(said: str) -> dict[str, int]:
    return {
        rule: int(count)
        for rule, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)
        if rule not in ("total", "all")
    }


def change(tree: Path, old: str, new: str) -> None:
    experiment = tree / "config/experiment/rerun.yaml"
    text = experiment.read_text()
    assert old in text
    experiment.write_text(text.replace(old, new))


def test_they_run_on_a_finished_run_and_alone(finished: Path, tmp_path: Path) -> None:
    """To the end: the figure of two models and two selections; then fewer controls, which measures again."""
    tree = tmp_path / "tree"
    shutil.copytree(finished, tree)
    assert "Nothing to be done" in snakemake(tree, "--dry-run")
    change(tree, "metric_correlation]", "metric_correlation, shift_matrix]")
    assert jobs(snakemake(tree, "--dry-run")) == dict.fromkeys(NEW, 4) | PAGE
    snakemake(tree)
    assert "Nothing to be done" in snakemake(tree, "--dry-run")
    results = tree / "results/rerun"
    assert "Where it writes" in (results / "report.html").read_text()
    assert (results / "measure_shift/shifts/second/wide/zero/toy_mmlu.parquet").is_file()
    change(tree, "interventions:", "shift: {max_samples: 2}\ninterventions:")
    assert jobs(snakemake(tree, "--dry-run")) == dict.fromkeys(NEW, 4) | PAGE


@pytest.mark.parametrize(
    ("overrides", "planned"),
    [([], set()), (["shift.enabled=true"], NEW), ([DRAWN], NEW), (["shift.max_samples=3"], set())],
)
def test_who_asks_for_them(overrides: list[str], planned: set[str]) -> None:
    plan = open_experiment({"experiment": "smoke", "overrides": overrides}).plan
    assert {step for step in NEW if plan.jobs(step)} == planned
    assert {product.card.name for product in plan.products()} & NEW == planned


def test_what_they_read() -> None:
    run = open_experiment({"experiment": "smoke", "overrides": [DRAWN]})
    of_run = {"model": "tiny_qwen2_vl", "selection": "miner", "intervention": "zero"}
    read = run.plan.reads("measure_shift", {**of_run, "dataset": "toy_mmlu"})
    assert set(read) == {"manifest", "dataset", "neurons"}
    place = f"{run.root}/measure_shift/sample_shifts/tiny_qwen2_vl/miner/zero"
    read = run.plan.reads("compare_shifts", of_run)
    assert read["sample_shifts"] == [f"{place}/{name}.parquet" for name in ("toy_caption", "toy_mmlu")]
    assert read["neurons"] == f"{run.root}/select_neurons/tiny_qwen2_vl/miner.parquet"


def test_an_intervention_with_class_means_reads_the_importance() -> None:
    run = open_experiment({"experiment": "smoke", "overrides": [DRAWN, "interventions=[class_mean]"]})
    job = {"model": "tiny_qwen2_vl", "selection": "miner", "intervention": "class_mean", "dataset": "toy_mmlu"}
    assert "importance" in run.plan.reads("measure_shift", job)


@pytest.mark.parametrize("value", ["shift.max_samples=3", "shift.num_controls=2", "shift.batch_size=4"])
def test_a_value_runs_them_alone_again(value: str) -> None:
    assert run_again("smoke", DRAWN, value) == {"measure_shift"}
