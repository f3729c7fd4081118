"""The scoreboard experiment: planted models as choices, what a change of it runs again, and what is refused."""

import re
from pathlib import Path

import pytest

from lode.engine.fingerprint import code_digest
from lode.engine.paths import ROOT
from lode.study import STUDY
from tests.project_tree import copy_project, snakemake
from workflow.check import open_experiment
from workflow.study import Experiment


def pipeline(*overrides: str) -> Experiment:
    """The experiment on two of its plantings, unless overridden."""
    return open_experiment({"experiment": "scoreboard", "overrides": ["models=[hidden_1,visible_2]", *overrides]})


@pytest.fixture(scope="module")
def whole() -> Experiment:
    return open_experiment({"experiment": "scoreboard"})


def semantic(run: Experiment, step: str, **wildcards: str) -> str:
    return run.plan.semantic(step, wildcards)


def test_there_are_at_least_five_plantings_of_each_strength(whole: Experiment) -> None:
    seeds: dict[float, set[int]] = {}
    for name in whole.planted():
        planting = whole.facts(name).planting
        seeds.setdefault(planting.strength, set()).add(planting.seed)
    assert len(seeds) >= 2
    assert all(len(found) >= 5 for found in seeds.values())
    assert len(whole.planted()) == sum(map(len, seeds.values())), "a planting occurs twice"


def test_every_selection_is_rated_on_every_planting(whole: Experiment) -> None:
    paths = whole.plan.files("ratings")
    assert len(paths) == len(set(paths)) == len(whole.cfg.plantings) * len(whole.cfg.selections)
    assert f"{whole.root}/rate_selectors/hidden_1/miner.parquet" in paths
    assert whole.plan.files("scoreboard") == [f"{whole.root}/compare_selectors/scoreboard.parquet"]


def test_a_planted_model_is_the_one_it_was_made_from_and_another() -> None:
    run = pipeline()
    manifest, datasets = run.plan.reads("plant_neurons", {"planting": "hidden_1"}).values()
    assert manifest == f"{run.root}/download_model/tiny_qwen2_vl/manifest.json"
    assert [Path(path).stem for path in datasets] == ["toy_textvqa", "toy_caption", "toy_mmlu"]
    facts = semantic(run, "capture_activations", model="hidden_1", dataset="toy_mmlu", shard="0")
    assert '"name": "hidden_1"' in facts
    folder = f"{run.root}/plant_neurons/model/hidden_1"
    assert f'"source": "{folder}"' in facts
    assert run.plan.reads("download_model", {"model": "hidden_1"}) == {"model": folder}
    assert run.plan.sources("download_model", {"model": "hidden_1"}) == []
    planting = semantic(run, "plant_neurons", planting="hidden_1")
    assert '"source": "resources/models/tiny_qwen2_vl"' in planting
    assert '"strength": 0.5' in planting


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("planting.effect=4", {"plant_neurons"}),
        ("planting.num_cancelling=2", {"plant_neurons"}),
        ("selection.ratio=0.03", {"rate_selectors"}),
        ("seed=7", {"rate_selectors"}),
        ("controls.num_draws=9", set()),
        ("runtime.threads=2", set()),
    ],
)
def test_what_a_value_runs_again(override: str, changed: set[str]) -> None:
    """Of the steps of this page; what comes after them follows by their outputs."""
    steps: dict[str, dict[str, str]] = {
        "plant_neurons": {"planting": "visible_2"},
        "rate_selectors": {"planting": "visible_2", "selection": "miner"},
        "compare_selectors": {},
    }
    before, after = pipeline(), pipeline(override)
    differ = {
        step
        for step, wildcards in steps.items()
        if semantic(before, step, **wildcards) != semantic(after, step, **wildcards)
    }
    assert differ == changed


def test_the_positive_control_plants_five_times_and_looks_at_the_bare_model_too() -> None:
    run = open_experiment({"experiment": "planted"})
    plantings = [run.facts(name).planting for name in run.planted()]
    assert {planting.seed for planting in plantings} == {1, 2, 3, 4, 5}
    assert {(planting.num_pairs, planting.strength) for planting in plantings} == {(4, 20.0)}
    assert set(run.cfg.models) == {"tiny_qwen2_vl", *run.planted()}
    assert {"miner", "mean_difference"} == set(run.cfg.selections)


def test_code_of_the_plugin_is_code_of_the_rating() -> None:
    """The rating of a selection runs again when its plug-in changes, and planting does not."""
    run = pipeline()
    rating = run.plan.code("rate_selectors", {"planting": "hidden_1", "selection": "miner"})
    assert rating != code_digest(STUDY, ROOT / "scripts/rate_selectors.py")
    planting = run.plan.code("plant_neurons", {"planting": "hidden_1"})
    assert planting == code_digest(STUDY, ROOT / "scripts/plant_neurons.py", ["lode.grouping.modality"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("planting.groups=[text]", "name at least two"),
        ("planting.groups=[text,smell]", "unknown group to plant 'smell'"),
        ("planting.paired=[audio]", "unknown group of planting.paired 'audio'"),
        ("planting.num_planted=0", "planting.num_planted = 0: expected a whole number of at least 1"),
        ("plantings.hidden_1=['planting.strength=-1']", "planting.strength = -1.0: expected at least 0"),
        ("planting.strength=1", "every planting of the experiment sets planting.strength itself: hidden_1"),
        ("planting.num_cancelling=-1", "planting.num_cancelling = -1: expected at least 0"),
        ("planting.host_frac=0", "expected a share in (0, 1]"),
        ("planting.effect=0", "a length above 0"),
        ("planting.site=nose", "unknown site to plant at 'nose'"),
        ("planting.site=projector", "planting.num_pairs = 1 at site projector"),
        ("planting={site: projector, num_pairs: 0, groups: [text, road]}", "unknown group to plant 'road'"),
        ("model.dtype=bfloat16", "planting needs float32"),
        ("models=[tiny_qwen2_vl]", "figure scoreboard needs planted models"),
        ("models=[hidden_9]", "unknown model 'hidden_9'"),
        ("planting.sed=1", "unknown config key 'planting.sed'"),
    ],
)
def test_a_bad_planting_is_refused_before_any_job(override: str, message: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(message)):
        pipeline(override)


def test_dry_run(tmp_path: Path) -> None:
    """Snakemake plans the scoreboard: every planting once, captured on every dataset, rated by every selection, some of
    which need gradients.
    """
    tree = copy_project(tmp_path)
    experiment = (tree / "config/experiment/scoreboard.yaml").read_text()
    some = "models: [obvious_1, hidden_5]"
    (tree / "config/experiment/rerun.yaml").write_text(experiment.replace("models: ${oc.dict.keys:plantings}", some))
    output = snakemake(tree, "results/rerun/compare_selectors/scoreboard.md", "--dry-run")
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}
    selections = len(pipeline().cfg.selections)
    assert counts == {
        "prepare_dataset": 3,
        "download_model": 1 + 2,
        "plant_neurons": 2,
        "capture_activations": 3 * 2,
        "capture_gradients": 3 * 2,
        "aggregate_importance": 2,
        "aggregate_gradients": 2,
        "rate_selectors": 2 * selections,
        "compare_selectors": 1,
        "total": 25 + 2 * selections,
    }


def test_a_planted_model_owns_its_tables_by_its_name() -> None:
    """A job that runs a model goes by the name that the paths of its tables say, so it is not refused as another's."""
    plan = pipeline().plan
    runs = {run["model"]: run for run in plan.jobs("benchmark_ablation").values()}
    assert sorted(runs) == ["hidden_1", "visible_2"]
    assert {plan.composed("benchmark_ablation", run).model.name for run in runs.values()} == set(runs)
    assert "/select_neurons/hidden_1/" in str(plan.reads("benchmark_ablation", runs["hidden_1"])["neurons"])
