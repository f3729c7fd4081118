"""When one thing changes, exactly what depends on it runs again: job counts of dry runs after one edit.

One small run is finished once; each case copies its tree, makes one edit, and compares the plan with the counts
written down here. The experiment has two models, one dataset, two selections and three figures.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project_tree import snakemake

Edit = Callable[[Path], list[str] | None]


def planned(tree: Path, overrides: list[str] | None) -> dict[str, int]:
    """The job counts of a dry run, without the target rule."""
    output = snakemake(tree, "--dry-run", overrides=overrides)
    if "Nothing to be done" in output:
        return {}
    counts = dict(re.findall(r"^(\w+) +(\d+)$", output.split("Job stats:")[1], re.MULTILINE))
    return {rule: int(counts[rule]) for rule in counts if rule not in ("all", "total")}


def append(name: str, text: str) -> Edit:
    """Add text at the end of a file."""

    def edit(tree: Path) -> None:
        with (tree / name).open("a") as file:
            file.write(text)

    return edit


def replace(name: str, old: str, new: str) -> Edit:
    """Replace text in a file, which must hold it."""

    def edit(tree: Path) -> None:
        text = (tree / name).read_text()
        assert old in text, f"{name} does not hold {old!r}"
        (tree / name).write_text(text.replace(old, new, 1))

    return edit


def setting(text: str) -> Edit:
    """A value that the experiment sets."""
    return append("config/experiment/rerun.yaml", f"{text}\n")


def setting_instead(old: str, new: str) -> Edit:
    """A value of the experiment, changed."""
    return replace("config/experiment/rerun.yaml", old, new)


def override(*overrides: str) -> Edit:
    """Hydra overrides on the command line."""
    return lambda tree: list(overrides)


def delete(name: str) -> Edit:
    """Remove a file."""
    return lambda tree: (tree / name).unlink()


def touch_everything(tree: Path) -> None:
    """Give every config, script and module a new time stamp."""
    for folder in ("config", "scripts", "lode", "workflow"):
        for path in (tree / folder).rglob("*"):
            if path.is_file():
                path.touch()


def swap_config_of_model(tree: Path) -> None:
    """Put another file in the place of one, with an older time stamp, as `cp -p` does."""
    path = tree / "resources/models/tiny_qwen2_vl/config.json"
    old = path.stat().st_mtime - 1e6
    path.write_text(path.read_text() + " ")
    os.utime(path, (old, old))


def touch_model(tree: Path) -> None:
    """Give every file of the model a new time stamp."""
    for path in (tree / "resources/models/tiny_qwen2_vl").iterdir():
        path.touch()


def corrupt_importance(tree: Path) -> None:
    """Change the content of one intermediate table."""
    path = tree / "results/rerun/aggregate_importance/second.parquet"
    path.write_bytes(path.read_bytes() + b"x")


CODE = "\n_UNUSED = 1\n"
ALL = dict(
    download_model=2,
    prepare_dataset=1,
    capture_activations=2,
    aggregate_importance=2,
    select_neurons=4,
    benchmark_ablation=4,
    score_ablation=4,
    measure_selectivity=4,
    judge_sets=1,
    plot_figures=3,
    build_report=1,
)


def after(step: str, **changed: int) -> dict[str, int]:
    """The counts of all steps from `step` on, some of them changed."""
    steps = list(ALL)
    return {**{name: ALL[name] for name in steps[steps.index(step) :]}, **changed}


ALL_OF_MODELS = {name: count for name, count in ALL.items() if name != "prepare_dataset"}
ONE_SELECTION = dict(
    select_neurons=2,
    benchmark_ablation=2,
    score_ablation=2,
    measure_selectivity=2,
    judge_sets=1,
    plot_figures=2,
    build_report=1,
)
CASES: dict[str, tuple[Edit, dict[str, int]]] = {
    # nothing that a result depends on
    "nothing": (lambda tree: None, {}),
    "touch all": (touch_everything, {}),
    "comment in a config": (append("config/selection/miner.yaml", "# a comment\n"), {}),
    "key order in a config": (
        replace("config/selection/miner.yaml", "name: miner\nratio: 0.02\n", "ratio: 0.02\nname: miner\n"),
        {},
    ),
    "device": (override("runtime.device=cpu"), {}),
    "same value in the experiment": (setting("seed: 2024"), {}),
    "comment in a script": (append("scripts/capture_activations.py", "# a comment\n"), {}),
    "docstring in the library": (replace("lode/stages/select_neurons.py", '"""Stage 4:', '"""The fourth stage:'), {}),
    "memory of a class": (replace("lode/engine/plan.py", '"gpu": 4000', '"gpu": 5000'), {}),
    "log of a rule": (replace("workflow/rules/2_capture.smk", '.log"', '.txt"'), {}),
    "comment in the Snakefile": (append("Snakefile", "# a comment\n"), {}),
    "new script and module": (append("lode/selection/brand_new.py", '"""New."""\n'), {}),
    "workflow/study.py": (append("workflow/study.py", CODE), {}),
    "engine: plan": (append("lode/engine/plan.py", CODE), {}),
    "engine: what is recorded": (append("lode/engine/recorded.py", CODE), {}),
    "lode/config.py": (append("lode/config.py", CODE), {}),
    "lode/cards/__init__.py": (append("lode/cards/__init__.py", CODE), {}),
    "lode/cards/facts.py": (append("lode/cards/facts.py", CODE), {}),
    "lode/checks/steps.py": (append("lode/checks/steps.py", CODE), {}),
    # config values
    "seed": (setting("seed: 7"), after("select_neurons", plot_figures=2)),
    "split": (setting("split: paper"), after("prepare_dataset")),
    "override": (override("seed=7"), ALL),
    "capture value": (setting("capture: {attention: causal}"), after("capture_activations")),
    "ratio of the selections that set none": (setting("selection: {ratio: 0.03}"), ONE_SELECTION),
    "ratio of one selection": (
        setting_instead("selection.ratio=0.05", "selection.ratio=0.04"),
        ONE_SELECTION,
    ),
    "one model": (
        append("config/model/second.yaml", "system_prompt: Be brief.\n"),
        dict(
            capture_activations=1,
            aggregate_importance=1,
            select_neurons=2,
            benchmark_ablation=2,
            score_ablation=2,
            measure_selectivity=2,
            judge_sets=1,
            plot_figures=3,
            build_report=1,
        ),
    ),
    "token limit of a benchmark": (
        setting_instead("dataset: {", "dataset: {max_new_tokens: 3, "),
        after("benchmark_ablation", plot_figures=1),
    ),
    "shards of an ablation": (
        setting("ablation: {shards: 2}"),
        after("benchmark_ablation", benchmark_ablation=8, plot_figures=1),
    ),
    "score of a benchmark": (
        setting_instead("dataset: {", "dataset: {scores: [mmlu_paper, choice_likelihood], "),
        after("score_ablation", plot_figures=1),
    ),
    "kinds of controls": (
        setting_instead("controls: {", "controls: {kinds: [layer_matched, uniform], "),
        after("select_neurons", plot_figures=2),
    ),
    "look of a group": (
        replace("config/grouping/modality.yaml", "#D55E00", "#D55E01"),
        dict(plot_figures=3, build_report=1),
    ),
    "own benchmarks of a group": (
        replace("config/grouping/modality.yaml", "no_own: [special]", "no_own: [special, text]"),
        dict(measure_selectivity=4, judge_sets=1, build_report=1),
    ),
    "caption of a figure": (
        replace("config/figure/metric_correlation.yaml", "Rank correlation", "Spearman correlation"),
        dict(plot_figures=1, build_report=1),
    ),
    "one selection more": (
        setting_instead("interventions:", "  more: [selection.ratio=0.1]\ninterventions:"),
        ONE_SELECTION,
    ),
    "one selection more, that needs gradients": (
        setting_instead("interventions:", "  can: [selection=can]\ngradients: {enabled: true}\ninterventions:"),
        dict(capture_gradients=2, aggregate_gradients=2, **ONE_SELECTION),
    ),
    "exponent of attributions that nobody needs": (setting("gradients: {alpha: 1}"), {}),
    "stage of attributions that nobody needs": (append("lode/stages/capture_gradients.py", CODE), {}),
    "one model less": (
        setting_instead("[tiny_qwen2_vl, second]", "[tiny_qwen2_vl]"),
        dict(judge_sets=1, plot_figures=3, build_report=1),
    ),
    # code
    "capture stage": (append("lode/stages/capture_activations.py", CODE), after("capture_activations")),
    "shell of a rule": (
        replace("workflow/rules/2_capture.smk", "{params.args:q}", "{params.args:q} runtime.threads=1"),
        after("capture_activations"),
    ),
    "writer of tables": (append("lode/engine/tables.py", CODE), ALL),
    "seal of files": (append("lode/engine/seal.py", CODE), ALL),
    "library module of one stage": (append("lode/model/tower.py", CODE), after("benchmark_ablation", plot_figures=1)),
    "dataset plug-in": (append("lode/dataset/toy_mmlu.py", CODE), after("prepare_dataset")),
    "dataset plug-in that is not used": (append("lode/dataset/toy_caption.py", CODE), {}),
    "grouping plug-in": (append("lode/grouping/modality.py", CODE), after("capture_activations")),
    "recording plug-in": (append("lode/recording/activations.py", CODE), after("capture_activations")),
    "recording plug-in that nobody needs": (append("lode/recording/gradients.py", CODE), {}),
    "place of a site": (append("lode/model/sites.py", CODE), after("capture_activations", select_neurons=4)),
    "selection plug-in": (append("lode/selection/miner.py", CODE), after("select_neurons", plot_figures=2)),
    "intervention plug-in": (append("lode/intervention/zero.py", CODE), after("benchmark_ablation", plot_figures=1)),
    "control plug-in": (append("lode/control/magnitude_matched.py", CODE), after("select_neurons", plot_figures=2)),
    "control plug-in that is not used": (append("lode/control/uniform.py", CODE), {}),
    "selectivity": (
        append("lode/statistics/selectivity.py", CODE),
        dict(measure_selectivity=4, judge_sets=1, build_report=1),
    ),
    "modalities of a benchmark": (
        setting_instead("dataset: {", "dataset: {modalities: [text], "),
        after("prepare_dataset"),
    ),
    "scoring plug-in": (append("lode/scoring/mmlu_paper.py", CODE), after("score_ablation", plot_figures=1)),
    "figure plug-in": (append("lode/figure/metric_correlation.py", CODE), dict(plot_figures=1, build_report=1)),
    "house style of figures": (append("lode/figure/__init__.py", CODE), dict(plot_figures=3, build_report=1)),
    "report template": (append("lode/page/report/runs.html.jinja", "<!-- new -->"), dict(build_report=1)),
    # files
    "model file swapped under an older time stamp": (
        swap_config_of_model,
        {k: n for k, n in ALL.items() if k != "prepare_dataset"},
    ),
    "model files touched": (touch_model, {}),
    "report deleted": (delete("results/rerun/report.html"), dict(build_report=1)),
    "intermediate deleted": (delete("results/rerun/aggregate_importance/second.parquet"), {}),
    "intermediate corrupted": (
        corrupt_importance,
        dict(
            select_neurons=2,
            benchmark_ablation=2,
            score_ablation=2,
            measure_selectivity=2,
            judge_sets=1,
            plot_figures=3,
            build_report=1,
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rerun(name: str, finished: Path, tmp_path: Path) -> None:
    edit, expected = CASES[name]
    tree = tmp_path / "tree"
    shutil.copytree(finished, tree)
    assert planned(tree, edit(tree)) == expected
