"""The scoreboard experiment: planted models as choices, what a change of it runs again, and what is refused."""

import re
from pathlib import Path

import pytest

from lode.engine.paths import ROOT
from tests.project_tree import copy_project, snakemake
from workflow.fingerprint import code_digest
from workflow.pipeline import Pipeline


class Wildcards(dict):
    """As Snakemake gives them: by key and by attribute."""

    __getattr__ = dict.__getitem__


def pipeline(*overrides: str) -> Pipeline:
    """The experiment on two of its plantings, unless overridden."""
    return Pipeline({"experiment": "scoreboard", "overrides": ["models=[hidden_1,visible_2]", *overrides]})


@pytest.fixture(scope="module")
def whole() -> Pipeline:
    return Pipeline({"experiment": "scoreboard"})


def semantic(run: Pipeline, step: str, **wildcards: str) -> str:
    return run.step(step)["semantic"](Wildcards(wildcards))


def test_there_are_at_least_five_plantings_of_each_strength(whole: Pipeline) -> None:
    seeds: dict[float, set[int]] = {}
    for name in whole.planted():
        planting = whole.facts(name).planting
        seeds.setdefault(planting.strength, set()).add(planting.seed)
    assert len(seeds) >= 2
    assert all(len(found) >= 5 for found in seeds.values())
    assert len(whole.planted()) == sum(map(len, seeds.values())), "a planting occurs twice"


def test_every_selection_is_rated_on_every_planting(whole: Pipeline) -> None:
    paths = whole.tables("ratings", "r")
    assert len(paths) == len(set(paths)) == len(whole.cfg.plantings) * len(whole.cfg.selections)
    assert "r/ratings/hidden_1/miner.parquet" in paths
    assert whole.tables("scoreboard", "r") == ["r/scoreboard.parquet"]


def test_a_planted_model_is_the_one_it_was_made_from_and_another() -> None:
    run = pipeline()
    assert run.base(Wildcards(planting="hidden_1")) == "tiny_qwen2_vl"
    assert run.mined("hidden_1") == ["toy_textvqa", "toy_caption", "toy_mmlu"]
    facts = semantic(run, "capture_activations", model="hidden_1", dataset="toy_mmlu", shard="0")
    assert '"name": "hidden_1"' in facts
    assert f'"source": "{run.root}/planted/hidden_1/model"' in facts
    assert run.planted_model(Wildcards(model="hidden_1")) == [f"{run.root}/planted/hidden_1/model"]
    assert run.model_files(Wildcards(model="hidden_1")) == []
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
    run = Pipeline({"experiment": "planted"})
    plantings = [run.facts(name).planting for name in run.planted()]
    assert {planting.seed for planting in plantings} == {1, 2, 3, 4, 5}
    assert {(planting.num_pairs, planting.strength) for planting in plantings} == {(4, 20.0)}
    assert set(run.cfg.models) == {"tiny_qwen2_vl", *run.planted()}
    assert {"miner", "mean_difference"} == set(run.cfg.selections)


def test_code_of_the_plugin_is_code_of_the_rating() -> None:
    """The rating of a selection runs again when its plug-in changes, and planting does not."""
    run = pipeline()
    code = run.step("rate_selectors")["code"]
    assert code(Wildcards(planting="hidden_1", selection="miner"))
    bare = code_digest(ROOT / "scripts/rate_selectors.py")
    assert code(Wildcards(planting="hidden_1", selection="miner")) != bare
    assert run.step("plant_neurons")["code"](Wildcards(planting="hidden_1")) == code_digest(
        ROOT / "scripts/plant_neurons.py"
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("planting.modalities=[text]", "name at least two"),
        ("planting.modalities=[text,smell]", "unknown modality to plant 'smell'"),
        ("planting.paired=[audio]", "unknown modality of planting.paired 'audio'"),
        ("planting.num_planted=0", "planting.num_planted = 0: expected a whole number of at least 1"),
        ("plantings.hidden_1=['planting.strength=-1']", "planting.strength = -1.0: expected at least 0"),
        ("planting.strength=1", "every planting of the experiment sets planting.strength itself: hidden_1"),
        ("planting.num_cancelling=-1", "planting.num_cancelling = -1: expected at least 0"),
        ("planting.host_frac=0", "expected a share in (0, 1]"),
        ("planting.effect=0", "a length above 0"),
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
    output = snakemake(tree, "results/rerun/scoreboard.md", "--dry-run")
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
