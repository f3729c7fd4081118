"""A battery over every YAML and every plug-in of every group: a new one is tested without writing a test."""

import inspect
import re
import socket
from functools import cache
from importlib import import_module
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from lode.checks.names import known_plugins
from lode.checks.steps import validate
from lode.dataset import Sample
from lode.engine.paths import ROOT, is_local
from lode.scoring import UNITS
from lode.stages import plot_figures
from lode.stages.prepare_dataset import check_samples
from lode.study import GROUPS, STUDY, compose, restrict
from tests.cut_run import write_cuts
from tests.null_tables import write_profiles, write_set_nulls
from tests.overlap_run import write_overlaps
from tests.set_trace_run import write_set_traces
from tests.shift_run import write_shifts
from tests.states_run import write_states
from tests.strata_run import write_strata
from tests.tables import GROUPING, write_retests, write_run, write_scoreboard
from tests.trace_run import write_trace
from workflow.check import open_experiment

#: Group -> plug-in functions and their parameters that the workflow gives; the others are options.
CONTRACTS: dict[str, dict[str, tuple[str, ...]]] = {
    "dataset": {"samples": ("split", "num_samples", "seed")},
    "selection": {
        "select_neurons": ("table", "groups", "ratio", "seed"),
        "score_neurons": ("table", "groups"),
        "check_options": (),
    },
    "intervention": {"new_values": ("view",)},
    "figure": {"draw": ("tables",)},
    "scoring": {"score": ("replies", "samples")},
    "control": {"controls": ("selected", "num_draws", "seed")},
    "grouping": {"grouping": ()},
    "recording": {"recording": ("adapter", "grouping")},
}
#: The step that checks a choice of a group before it runs.
STEPS = {
    "model": "download_model",
    "grouping": "capture_activations",
    "dataset": "prepare_dataset",
    "selection": "select_neurons",
    "intervention": "benchmark_ablation",
    "figure": "plot_figures",
}
SPLITS = ("train", "mine", "test")


def choices(group: str) -> list[str]:
    return sorted(path.stem for path in (STUDY.config_dir / group).glob("*.yaml"))


PLUGINS = [(group, name) for group in CONTRACTS for name in sorted(known_plugins(group))]
CHOICES = [(group, name) for group in STEPS for name in choices(group)]


def chosen(group: str, name: str) -> DictConfig:
    return compose([f"{group}={name}"])


def plugin_of(group: str, name: str) -> ModuleType:
    return import_module(f"lode.{group}.{chosen(group, name)[group].plugin}")


# --- every plug-in, every YAML ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "name"), PLUGINS)
def test_plugin_keeps_its_contract(group: str, name: str) -> None:
    module = import_module(f"lode.{group}.{name}")
    assert module.__doc__
    assert len(module.__doc__.split()) >= 8, "say what it is, its source, and what it does not tell"
    for function_name, given in CONTRACTS[group].items():
        function = inspect.unwrap(getattr(module, function_name))
        assert function.__doc__
        parameters = list(inspect.signature(function).parameters.values())
        assert tuple(parameter.name for parameter in parameters[: len(given)]) == given
        for parameter in parameters[len(given) :]:
            assert parameter.annotation is not parameter.empty, f"the option {parameter.name} has no type"


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_choice_is_named_like_its_file_and_checked(group: str, name: str) -> None:
    cfg = chosen(group, name)
    assert cfg[group].name == name
    validate(cfg, STEPS[group])
    restrict(cfg, STEPS[group])  # every value that the step reads is there
    if group in CONTRACTS:
        assert cfg[group].plugin in known_plugins(group)


def test_every_group_is_in_the_battery() -> None:
    """The groups of the config are those tested here; training and experiment have tests of their own below."""
    folders = {path.name for path in STUDY.config_dir.iterdir() if path.is_dir()}
    assert folders == set(GROUPS) == {*STEPS, "training", "experiment"}


# --- datasets ---------------------------------------------------------------------------------------------------------

#: Those that need no hub; the others have their own battery in `tests/unit/hub/test_hub_datasets.py`.
GENERATED = [name for name in choices("dataset") if "source" not in chosen("dataset", name).dataset.options]


@cache
def drawn(name: str, split: str, num_samples: int, seed: int = 2024) -> tuple[Sample, ...]:
    cfg = chosen("dataset", name).dataset
    return tuple(plugin_of("dataset", name).samples(split, num_samples, seed, **cfg.options))


#: As many as any offline dataset is asked for.
MANY = 150
#: Written items and files, which run out: at least so many there are of each split.
FEW = {"general_knowledge": 60, "cloze": 35, "text_prose": 100}


def content(sample: Sample) -> tuple[Any, ...]:
    return sample.prompt, *(medium.bytes for medium in sample.media)


@pytest.mark.parametrize("name", GENERATED)
def test_dataset_yields_good_samples(name: str) -> None:
    cfg = chosen("dataset", name).dataset
    samples = [sample for split in ("mine", "test") for sample in drawn(name, split, 3)]
    assert [sample.split for sample in samples] == ["mine"] * 3 + ["test"] * 3
    check_samples(samples, cfg.modalities)
    assert all(sample.prompt == sample.prompt.strip() for sample in samples)
    assert len({sample.sample_id for sample in samples}) == 6
    assert all(answer.strip() for sample in samples for answer in sample.answers)
    if any(sample.choices for sample in samples):
        assert all(0 <= sample.answer_index < len(sample.choices) for sample in samples)


@pytest.mark.parametrize("name", GENERATED)
def test_dataset_is_deterministic(name: str) -> None:
    for split in ("mine", "test"):
        before = drawn(name, split, 3)
        drawn.cache_clear()
        assert drawn(name, split, 3) == before
        assert drawn(name, split, 5)[:3] == before, "more samples must not change the first"


@pytest.mark.parametrize("name", GENERATED)
def test_dataset_splits_share_no_content(name: str) -> None:
    samples = {split: drawn(name, split, MANY) for split in SPLITS}
    held = {split: {content(sample) for sample in part} for split, part in samples.items()}
    ids = {split: {sample.sample_id for sample in part} for split, part in samples.items()}
    for split in SPLITS:
        assert FEW.get(name, MANY) <= len(samples[split]) <= MANY
        assert all(sample.split == split for sample in samples[split])
        assert len(ids[split]) == len(samples[split])
    for one, other in combinations(SPLITS, 2):
        assert not held[one] & held[other]
        assert not ids[one] & ids[other]
    for split in ("mine", "test"):
        assert len(held[split]) == len(samples[split])


@pytest.mark.parametrize("name", GENERATED)
def test_clusters_are_held_out_where_it_is_said(name: str) -> None:
    mined, tested = ({sample.cluster_id for sample in drawn(name, split, MANY)} for split in ("mine", "test"))
    assert bool(mined & tested) == (plugin_of("dataset", name).HELD_OUT == "samples")
    assert len(tested) >= 20, "too few for an interval over clusters"


def test_scans_of_digits_are_in_one_split_for_good() -> None:
    """Training turns and shifts a scan, so its bytes alone would not show a leak."""
    clusters = {split: {sample.cluster_id for sample in drawn("digits_vqa", split, 5000)} for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not clusters[one] & clusters[other]


@pytest.mark.parametrize("name", GENERATED)
def test_dataset_holds_as_many_samples_as_its_yaml_asks_for(name: str) -> None:
    for split, count in chosen("dataset", name).dataset.num_samples.items():
        assert len(drawn(name, split, max(count, MANY))) >= count


@pytest.mark.parametrize("name", choices("training"))
def test_training_recipe_names_datasets_and_shares(name: str) -> None:
    recipe = compose([f"training={name}"])
    validate(recipe, "train_model")
    assert recipe.training.name == name
    import_module(f"lode.training.{recipe.training.get('builder', name)}")
    assert sum(options.share for options in recipe.training.datasets.values()) == pytest.approx(1)


# --- scores and figures -----------------------------------------------------------------------------------------------

#: What each column may hold that is scored: nothing, right, nonsense, right by its letter, strange.
NATS = [-1e4, -0.1, -30.0, -0.2, 0.0, -1e4]
REPLIES: dict[str, list[Any]] = {
    "reply": ["", "red fox", "zzz", "A", "ß 数字 🙂", ""],
    "choice_log_likelihoods": [
        (-1.0, -0.9),
        (-0.1, -3.0),
        (-3.0, -0.1),
        (-0.1, -0.2),
        (float("-inf"), -1.0),
        (-1.0, -1.0),
    ],
    **dict.fromkeys(("gold_log_likelihood", "gold_token_log_likelihood", "end_log_likelihood"), NATS),
}
SCORES = sorted(known_plugins("scoring"))
ANSWERS = {"answers": ["red fox"] * 10, "choices": ["red fox", "cat"], "answer_index": 0, "meta": "{}"}
ASKED = {"sample_id": "a", "cluster_id": "a", "split": "test", "prompt": "which animal?", **ANSWERS}
OTHER = {**ASKED, "sample_id": "b", "answers": ["blue bird"] * 10}  # weights of words need more than one sample


def is_legal(values: Any, unit: str) -> bool:
    low, high = UNITS[unit]
    return bool(np.all(np.isfinite(values) & (low <= values) & (values <= high)))


@pytest.mark.parametrize("name", SCORES)
def test_score_is_one_number_a_sample(name: str) -> None:
    plugin = import_module(f"lode.scoring.{name}")
    score, replies = plugin.score, REPLIES[plugin.COLUMN]
    values = score(replies, [ASKED] * 5 + [OTHER])[:5]
    assert values.shape == (5,)
    assert values.dtype == np.float64
    assert is_legal(values, plugin.UNIT)
    assert values[0] == 0 or plugin.UNIT == "nats"
    assert max(values[1], values[3]) > values[2], "the right answer is better than nonsense"
    np.testing.assert_array_equal(score([replies[0], replies[3]], [ASKED] * 2), values[[0, 3]])


#: Right in several ways, right in part, and wrong; and what a model may append that does not stop.
SAID = ("red fox", "Red fox.", "A", "A. red fox", "a red fox", "red", "a red dog", "blue bird", "")
BABBLE = ("zzz", " zzz", ", zzz", "\nqq zzz zzz zzz zzz")


@pytest.mark.parametrize("name", SCORES)
def test_what_follows_the_answer_changes_a_score_that_sees_stopping_and_no_other(name: str) -> None:
    """Columns that are no reply are likelihoods of the answer, whose own tokens nothing can follow, or of the end."""
    plugin = import_module(f"lode.scoring.{name}")
    if plugin.COLUMN != "reply":
        assert (plugin.COLUMN == "end_log_likelihood") == plugin.SEES_STOPPING
        return
    said = [reply for reply in SAID for _ in BABBLE]
    more = [reply + tail for reply in SAID for tail in BABBLE]
    before, after = (plugin.score([*replies, ""], [ASKED] * len(replies) + [OTHER]) for replies in (said, more))
    assert before.any()
    assert bool((before != after).any()) == plugin.SEES_STOPPING


@pytest.mark.parametrize("name", SCORES)
def test_a_score_of_the_gold_answer_knows_its_chance(name: str) -> None:
    """Of a score of replies, the chance level is the commonest answer for a reply, which the stage scores."""
    plugin = import_module(f"lode.scoring.{name}")
    if plugin.COLUMN in ("reply", "choice_log_likelihoods"):
        assert "chance" not in vars(plugin)
        return
    rows = [{**ASKED, "num_gold_tokens": 3}] * 2 + [{**OTHER, "num_gold_tokens": 2}]
    for some in (rows, rows[:1]):
        found = plugin.chance(some)
        assert found.shape == (len(some),)
        assert all(is_legal(value, plugin.UNIT) for value in found)


def test_the_table_of_scores_says_of_each_whether_it_sees_stopping() -> None:
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (yes|no)", (ROOT / "docs/miner.md").read_text(), re.MULTILINE)
    sees = {name: "yes" if import_module(f"lode.scoring.{name}").SEES_STOPPING else "no" for name in SCORES}
    assert len(rows) == len(SCORES)
    assert dict(rows) == sees


@pytest.mark.parametrize("name", choices("dataset"))
def test_a_headline_does_not_see_stopping(name: str) -> None:
    headline, *others = chosen("dataset", name).dataset.scores
    assert not import_module(f"lode.scoring.{headline}").SEES_STOPPING
    assert others, "today's and the paper's score stand beside it"


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("run")
    run = write_run(folder)
    further = {"scoreboard": [write_scoreboard(folder)], "retests": write_retests(folder)}
    further |= {"set_nulls": write_set_nulls(folder), "profiles": write_profiles(folder)}
    further |= {**write_strata(folder), **write_trace(folder), **write_cuts(folder)}
    further |= {**write_set_traces(folder), **write_states(folder), **write_overlaps(folder)}
    return {**run, **further, **write_shifts(folder, run["effects"])}


@pytest.mark.parametrize("name", choices("figure"))
def test_figure_is_drawn_to_equal_bytes(name: str, made_up: dict[str, list[str]], tmp_path: Path) -> None:
    cfg = chosen("figure", name).figure
    assert cfg.caption.endswith(".")
    paths = {kind: made_up[kind] for kind in cfg.tables}
    for run in ("1", "2"):
        images = {kind: str(tmp_path / run / f"figure.{kind}") for kind in ("svg", "png")}
        io = OmegaConf.create({**paths, "figure": images["svg"], "png": images["png"]})
        plot_figures.run(OmegaConf.create({"figure": cfg, "grouping": GROUPING, "io": io}), {"code_digest": "x"})
    for kind in ("svg", "png"):
        first, again = ((tmp_path / run / f"figure.{kind}").read_bytes() for run in ("1", "2"))
        assert first == again
        assert str(tmp_path).encode() not in first
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == ["figure.png", "figure.svg"]


# --- models and experiments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", choices("model"))
def test_model_is_a_table_of_facts(name: str) -> None:
    model = chosen("model", name).model
    assert set(model.towers) <= set(model.media_tokens)
    assert is_local(model.source) or re.fullmatch(r"[\w.-]+/[\w.-]+", model.source)
    assert is_local(model.source) or model.revision, "a hub model needs a revision"


@pytest.mark.parametrize("name", choices("experiment"))
def test_experiment_plans_without_a_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("planning asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    run = open_experiment({"experiment": name})
    assert run.cfg.title
    selected = [of for of, _ in run.selecting]
    run_by = sum(selected.count(model) for model, _ in run.pairs["benchmarks"])
    assert len(run.plan.files("effects")) == run_by * len(run.cfg.interventions)


def test_local_models_lie_inside_the_project() -> None:
    for name in choices("model"):
        source = chosen("model", name).model.source
        assert not is_local(source) or (ROOT / source).resolve().is_relative_to(ROOT)


def test_a_model_meets_the_datasets_it_takes() -> None:
    """Both models know text; each has its own media; one that needs an image does without the text-only benchmark."""
    run = open_experiment({"experiment": "default"})
    of = {model: [d for m, d in run.pairs["benchmarks"] if m == model] for model in run.cfg.models}
    assert of["tiny_qwen2_vl"] == ["toy_textvqa", "toy_caption", "toy_mmlu", "toy_msvd_qa"]
    assert of["tiny_qwen2_audio"] == ["toy_mmlu", "toy_speech", "toy_vocalsound"]
    assert run.paired("mining_datasets", "tiny_qwen2_audio") == of["tiny_qwen2_audio"]
    lists = ["models=[tiny_qwen2_vl]", "mining_datasets=[toy_caption]", "benchmarks=[toy_caption,digits_vqa]"]
    needy = open_experiment({"experiment": "default", "overrides": ["model.required_media=[image]", *lists]})
    assert [d for _, d in needy.pairs["benchmarks"]] == ["toy_caption", "digits_vqa"]
