"""A plan composes only what a step reads; what it records is what the whole config of the job would give."""

import random
import re

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import ReadonlyConfigError

from lode.engine.compose import chosen_fixed
from lode.engine.errors import UserError
from lode.engine.fingerprint import digest
from lode.engine.recorded import composed, recorded, touching
from lode.study import GROUPS, STUDY, compose
from workflow.check import open_experiment


@pytest.mark.parametrize("experiment", ["default", "miner_qwen2_audio"])
def test_what_is_recorded_is_that_of_the_whole_config(experiment: str) -> None:
    """The very digest that a job, which composes its whole command line, compares with."""
    run = open_experiment({"experiment": experiment, "overrides": ["ablation.batch_size=7"]})
    planned = random.Random(0).sample(list(run.plan.products()), 25)
    for product in planned:
        name, wildcards = product.card.name, product.wildcards
        everything = (*run.user, *run.choices(wildcards), *run.derived(name, wildcards))
        expected = recorded(STUDY, compose(everything), name)
        params = run.plan.params(name)
        args = params["args"](wildcards, run.plan.reads(name, wildcards), {product.name: product.path})
        assert params["semantic"](wildcards) == expected, product.path
        assert {*everything, f"expect_digest={digest(expected)}", f"io.{product.name}={product.path}"} < set(args)


SOME = {
    "prepare_dataset",
    "capture_activations",
    "benchmark_ablation",
    "score_ablation",
    "select_neurons",
    "rate_selectors",
    "measure_selectivity",
    "plot_figures",
}


@pytest.mark.parametrize(
    ("override", "steps"),
    [
        ("dataset=toy_mmlu", {"prepare_dataset", "capture_activations", "benchmark_ablation", "score_ablation"}),
        ("dataset.options.x=1", {"prepare_dataset", "capture_activations", "benchmark_ablation", "score_ablation"}),
        ("+dataset.options.x=1", {"prepare_dataset", "capture_activations", "benchmark_ablation", "score_ablation"}),
        ("~dataset.options.x", {"prepare_dataset", "capture_activations", "benchmark_ablation", "score_ablation"}),
        ("selection=miner", {"select_neurons", "rate_selectors"}),
        ("++benchmark_parts={a:[text]}", {"measure_selectivity"}),
        ("experiment=smoke", SOME),
    ],
)
def test_an_override_concerns_the_steps_that_read_its_section(override: str, steps: set[str]) -> None:
    assert {step for step in SOME if touching(STUDY, step, [override])} == steps


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["selection=welch_t", "experiment=smoke", "selection.ratio=0.3"],
        ["selection.options.strategy=LA_MU", "model=qwen2_vl_7b", "+model.processor.x={a:[1,2]}", "seed=3", "seed=4"],
        ["experiment=scoreboard", "~plantings.obvious_1", "capture={shards: 3}", "++io.effects=[a,b]"],
    ],
)
def test_values_on_top_of_cached_choices_are_what_hydra_composes(overrides: list[str]) -> None:
    ours = compose(overrides)
    assert compose(overrides) == ours, "the first left no trace"
    with initialize_config_dir(str(STUDY.config_dir), version_base="1.3"):
        assert OmegaConf.to_yaml(ours) == OmegaConf.to_yaml(hydra_compose("config", overrides=overrides))
    assert OmegaConf.is_struct(ours)


def test_copies_share_what_no_override_can_change() -> None:
    assert {"selections", "planting", "seed"} <= set(chosen_fixed(STUDY, ()))
    assert not {"dataset", "selection"} & set(chosen_fixed(STUDY, ())), "their plug-in is ${.name}"
    one, other = compose(["seed=5"]), compose(["planting.seed=3"])
    assert one.planting is compose([]).planting, "shared"
    assert (one.planting.seed, other.planting.seed, other.seed) == (1, 3, 2024)
    with pytest.raises(ReadonlyConfigError):
        one.planting.seed = 4
    other.planting.seed = 5
    assert compose([]).planting.seed == 1


@pytest.mark.parametrize("override", ["seed=1,2", "model=tiny_qwen2_vl,tiny_qwen2_audio", "seed=x", "sed=1", "seed=[1"])
def test_what_hydra_refuses_is_refused(override: str) -> None:
    with pytest.raises(UserError):
        compose([override])


def test_a_plan_of_another_combination_changes_none_before() -> None:
    """A model's section that refers to the dataset: composed for one, then for another, then asked again."""
    own = ("model=tiny_qwen2_vl", "+model.processor.name=${dataset.name}")
    names = [composed(STUDY, (*own, f"dataset={name}")).model.processor.name for name in ("toy_caption", "toy_textvqa")]
    again = composed(STUDY, (*own, "dataset=toy_caption")).model.processor.name
    assert [*names, again] == ["toy_caption", "toy_textvqa", "toy_caption"]


def test_no_group_refers_to_another() -> None:
    """A step that reads `dataset` is planned without the choice of a model: `${model.name}` there would be wrong."""
    for path in STUDY.config_dir.rglob("*.yaml"):
        if path.parent.name in GROUPS and path.parent.name != "experiment":
            assert re.findall(r"\$\{[^.]", path.read_text()) == [], path.name
