"""No override makes a name stand for something else; a run with overrides has a folder of its own."""

import re

import pytest

from lode.engine.overrides import results_folder
from lode.study import STUDY
from workflow.check import check_targets, open_experiment
from workflow.study import Experiment


def run(experiment: str, *overrides: str) -> Experiment:
    return open_experiment({"experiment": experiment, "overrides": list(overrides)})


def test_what_a_name_sets_comes_before_an_override() -> None:
    """README's example: `miner` sets no ratio, `miner_10_percent` does."""
    default = run("default", "selection.ratio=0.05")
    ratios = {name: default.compose(*chosen).selection.ratio for name, chosen in default.cfg.selections.items()}
    assert ratios == {"miner": 0.05, "miner_10_percent": 0.1}
    job = {"model": "tiny_qwen2_vl", "selection": "miner_10_percent"}
    assert '"ratio": 0.1' in default.plan.semantic("select_neurons", job)


@pytest.mark.parametrize("override", ["grouping=modality", "grouping.plugin=modality"])
def test_what_no_job_is_named_after_may_be_chosen(override: str) -> None:
    assert Experiment({"experiment": "smoke", "overrides": [override]}).cfg.grouping.plugin == "modality"


@pytest.mark.parametrize(
    ("experiment", "override", "says"),
    [
        ("dose", "selection.ratio=0.03", ("sets selection.ratio itself", "ratio_0.005 (selection.ratio=")),
        ("scoreboard", "planting.seed=9", ("sets planting.seed itself", "obvious_1 (planting.seed=1)")),
        ("default", "selection.ratio=0.1", ("selections miner and miner_10_percent", "with selection.ratio=0.1")),
        ("default", "+selections.again=['selection=miner']", ("selections miner and again", "one and the same")),
        ("smoke", "+plantings={a: ['planting.seed=3'], b: ['planting.seed=3']}", ("plantings a and b",)),
        ("default", "model.source=resources/models/tiny_qwen2_vl", ("tiny_qwen2_vl and tiny_qwen2_audio", "the same")),
        ("smoke", "dataset.plugin=toy_mmlu", ("'dataset.plugin=toy_mmlu'", "the workflow chooses dataset itself")),
        ("smoke", "intervention.plugin=scale", ("the workflow chooses intervention itself",)),
        ("smoke", "selection.plugin=lape", ("the workflow chooses selection itself",)),
        ("smoke", "dataset.name=mine", ("'dataset.name=mine'", "the workflow chooses dataset itself")),
        ("smoke", "+dataset=toy_mmlu", ("'+dataset=toy_mmlu'", "the workflow chooses dataset itself")),
    ],
)  # fmt: skip
def test_an_override_that_would_mislabel_is_refused(experiment: str, override: str, says: tuple[str, ...]) -> None:
    models = ["models=[a,b]"] if override.startswith("+plantings") else []
    with pytest.raises(SystemExit) as stop:
        run(experiment, override, *models)
    for part in says:
        assert part in str(stop.value)


def test_two_own_interventions_of_one_content_are_refused_with_both_names() -> None:
    own = "+own_interventions={a: ['intervention=scale'], b: ['intervention=scale']}"
    with pytest.raises(SystemExit, match="interventions a and b of the experiment"):
        run("smoke", own, "interventions=[a,b]")
    run("smoke", own.replace("b: ['", "b: ['intervention.tokens=own','"), "interventions=[a,b]")


def test_a_run_with_overrides_has_a_folder_of_its_own() -> None:
    assert run("smoke").root == "results/smoke"
    assert run("smoke", "runtime.device=cpu", "runtime.threads=2").root == "results/smoke"
    changed = run("smoke", "seed=7", "runtime.threads=2")
    assert re.fullmatch(r"results/smoke\+seed-7-[0-9a-f]{6}", changed.root)
    assert changed.plan.files("importance") == [f"{changed.root}/aggregate_importance/tiny_qwen2_vl.parquet"]


def test_folders_are_apart_short_and_safe() -> None:
    some = [["a.b=1"], ["a.b=1", "c=2"], ["a.b=1-c"], ["a.b=[1]"], ["a.b='1'"], ["+x=" + "y" * 99], ["+x=" + "y" * 98]]
    folders = {results_folder(STUDY, "e", overrides) for overrides in some}
    assert len(folders) == len(some)
    assert all(re.fullmatch(r"results/e\+[A-Za-z0-9_.-]{1,47}", folder) for folder in folders)
    assert results_folder(STUDY, "e", ["a.b=1"]) == results_folder(STUDY, "e", ["a.b=1"])


class Rule:
    """What Snakemake's rule says of a path."""

    def is_producer(self, path: str) -> bool:
        return path == "results/smoke/report.html"


def test_a_file_of_results_that_no_rule_makes_is_refused() -> None:
    """Where it lies there from another run, Snakemake would say: nothing to be done."""
    smoke = run("smoke")
    check_targets(smoke.root, ["snakemake", "results/smoke/report.html", "--cores", "1"], [Rule()])
    check_targets(smoke.root, ["snakemake", "--report", "results/smoke/workflow.html"], [Rule()])
    with pytest.raises(
        SystemExit, match=re.escape("no rule makes results/default/report.html; expected a file in results/smoke/")
    ):
        check_targets(smoke.root, ["snakemake", "results/default/report.html"], [Rule()])
