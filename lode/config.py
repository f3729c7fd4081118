"""The typed config, and what each step may read of it.

Hydra composes `config/`; the dataclasses below refuse wrong keys and types. A step sees only the
sections it declares in `SECTIONS`, so what is recorded for reruns is complete. No torch here.
"""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException
from yaml import YAMLError

from lode.engine.config_file import check_choice, refusal
from lode.engine.errors import UserError, unknown_name
from lode.engine.paths import ROOT

CONFIG_DIR = ROOT / "config"
GROUPS = ("model", "dataset", "selection", "intervention", "figure", "experiment", "training")


@dataclass
class ModelConfig:
    """Where a model is and where its parts are; an adapter is this table of facts."""

    name: str = MISSING
    source: str = MISSING  # a folder (relative to the project) or a hub id `owner/name`
    revision: str | None = None  # hub models: a commit, tag or branch
    auto_class: str = "AutoModelForImageTextToText"
    layers: str = "model.language_model.layers"  # path of the list of language-model layers
    attention: str = "self_attn"  # within a layer
    activation: str = "mlp.act_fn"  # within a layer: the module whose output is the gate site
    down_proj: str = "mlp.down_proj"  # within a layer: the linear map that reads the neurons
    towers: dict[str, str] = field(default_factory=dict)  # path of the encoder of each medium
    media_tokens: dict[str, str] = field(default_factory=dict)  # placeholder token of each medium
    required_media: list[str] = field(default_factory=list)  # media without which the model does not run
    special_tokens: list[str] = field(default_factory=list)  # tokens of the modality `special`
    system_prompt: str | None = None  # None: whatever the chat template says
    chat_template: str | None = None  # Jinja; None: the processor's own
    processor: dict[str, Any] = field(default_factory=dict)  # arguments of its call by modality: images_kwargs: ...
    video_rate: float = 1.0  # frames per second that the model is shown
    max_frames: int = 64  # of a longer video, so many evenly spaced
    video_frames: str = "shown"  # or qwen_vl_utils: which frames (lode/media/video.py)
    attn_implementation: str = "sdpa"  # or eager, flash_attention_2
    dtype: str = "float32"
    trust_remote_code: bool = False


@dataclass
class DatasetConfig:
    """Which samples, what they hold, and how replies to them are scored."""

    name: str = MISSING
    plugin: str = "${.name}"  # lode/dataset/<plugin>.py
    modalities: list[str] = field(default_factory=list)  # token modalities that every sample holds
    num_samples: dict[str, int] = field(default_factory=dict)  # mine: ..., report: ...
    max_new_tokens: int = 128
    scores: list[str] = field(default_factory=list)  # lode/scoring/<score>.py
    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the plug-in
    citation: str = ""
    licence: str = ""


@dataclass
class SelectionConfig:
    """How neurons are selected."""

    name: str = MISSING
    plugin: str = "${.name}"  # lode/selection/<plugin>.py
    modality_split: str = "special_text_separate"
    modalities: list[str] | None = None  # None: all of the split that occur
    ratio: float = 0.02  # share of all neurons, in (0, 1]
    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the plug-in


@dataclass
class InterventionConfig:
    """What is done to a set of neurons."""

    name: str = MISSING
    plugin: str = "${.name}"  # lode/intervention/<plugin>.py
    neurons: str = "set"  # or others: all that are not in the set
    tokens: str = "all"  # or own: those of the set's modality; generated: those of the reply
    passes: str = "both"  # or prefill, decode
    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the plug-in


@dataclass
class FigureConfig:
    """One figure and the tables it is drawn from."""

    name: str = MISSING
    plugin: str = "${.name}"  # lode/figure/<plugin>.py
    tables: list[str] = field(default_factory=list)  # importance, neurons, scores, effects
    caption: str = ""


@dataclass
class PlantingConfig:
    """Neurons of known purpose that `plant_neurons` adds to a model; counts are for each layer."""

    seed: int = 1
    modalities: list[str] = field(default_factory=lambda: ["text", "special", "image"])
    strength: float = 3.0  # how far gates are pushed down outside their modality [standard deviations]
    effect: float = 30.0  # how long what sentinels write is, once both of a pair are off [mean lengths of the residual]
    host_frac: float = 0.25  # planted neurons look like this share of the layer, the most active on the modality
    num_planted: int = 2  # for each modality
    num_pairs: int = 1  # of redundant neurons, for each modality of `paired`; none in the last layer
    paired: list[str] | None = None  # None: all that are planted
    num_mute: int = 1  # for each modality: specific, and writing nothing
    num_unspecific: int = 1  # for each modality: active on it, and large on all
    num_cancelling: int = 1  # pairs of large neurons that undo each other
    num_samples: int = 24  # of each dataset, to measure by and to prove on


@dataclass
class CaptureConfig:
    """How activations are captured."""

    attention: str = "reference"  # or causal: docs/methods.md 1.2
    batch_size: int = 50
    shards: int = 1  # shard i holds every shards-th sample from i on, so prefixes of shards are nested sub-samples
    normalisation: str = "minmax"  # or rank, zscore, robust, none: over the neurons of one sample, modality, layer
    num_bins: int = 0  # even: histograms of per-sample means, which some selections need; 0: none
    hidden_site: bool = False  # also sums at the input of down_proj, which `contribution` needs


@dataclass
class GradientsConfig:
    """How attributions are captured, for the selections that need them; without such a selection nothing is."""

    enabled: bool = False  # allow it: for every mined sample a backward pass and two forward passes more
    batch_size: int = 16
    alpha: float = 0.5  # exponent of the gradient in CAN, in [0, 1]
    num_steps: int = 0  # of integrated gradients, each of which costs a pass for every layer; 0: none are taken


@dataclass
class ControlsConfig:
    """Which controls a set gets, and how many."""

    kinds: list[str] = field(default_factory=lambda: ["magnitude_matched"])  # lode/control/<kind>.py
    num_draws: int = 20  # of each random kind, for every set


@dataclass
class AblationConfig:
    """How benchmarks are run."""

    batch_size: int = 150
    shards: int = 1  # jobs that share the samples of a benchmark: shard i takes every shards-th from i on
    num_written: int = 20  # controls of each kind that write replies; of the others only likelihoods are taken


@dataclass
class IoConfig:
    """Paths that the workflow hands to a script; each script uses those it needs, and none is recorded."""

    output: str = MISSING
    manifest: str = MISSING
    dataset: str = MISSING
    shard: int = MISSING
    shards: list[str] = MISSING
    importance: str = MISSING
    gradients: str | None = None  # for the selections that need it
    neurons: str = MISSING
    predictions: list[str] = MISSING
    scores: str = MISSING
    effects: str = MISSING
    sample_scores: str = MISSING
    comparisons: str = MISSING
    selectivity: str = MISSING
    svg: str = MISSING
    png: str = MISSING
    truth: str = MISSING
    proof: str = MISSING
    ratings: list[str] = MISSING
    text: str = MISSING
    figures: list[str] = MISSING
    manifests: list[str] = MISSING
    datasets: list[str] = MISSING
    tables: dict[str, list[str]] = field(default_factory=dict)  # by kind of table


@dataclass
class RuntimeConfig:
    """What does not change a result; never recorded."""

    device: str = "auto"  # a GPU where there is one; or cpu, cuda, cuda:<index>, mps, spread (layers over all GPUs)
    threads: int = 1


@dataclass
class Config:
    """The whole config; `config/config.yaml` lists the defaults."""

    seed: int = 2024  # of controls, donors and training; what samples are drawn does not depend on it
    split_seed: int = 2024  # which samples are drawn, and which of them are for training, mining and testing
    split: str = "disjoint"  # or paper: mine and test on the same samples
    model: ModelConfig = field(default_factory=ModelConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    intervention: InterventionConfig = field(default_factory=InterventionConfig)
    figure: FigureConfig = field(default_factory=FigureConfig)
    training: dict[str, Any] = field(default_factory=dict)
    planting: PlantingConfig = field(default_factory=PlantingConfig)
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    gradients: GradientsConfig = field(default_factory=GradientsConfig)
    controls: ControlsConfig = field(default_factory=ControlsConfig)
    ablation: AblationConfig = field(default_factory=AblationConfig)
    title: str = ""
    models: list[str] = field(default_factory=list)
    plantings: dict[str, list[str]] = field(default_factory=dict)  # name of a planted model -> Hydra overrides
    mining_datasets: list[str] = field(default_factory=list)
    benchmarks: list[str] = field(default_factory=list)
    benchmark_modalities: dict[str, list[str]] = field(default_factory=dict)  # set by the workflow, for each model
    selections: dict[str, list[str]] = field(default_factory=dict)  # name -> Hydra overrides
    own_interventions: dict[str, list[str]] = field(default_factory=dict)  # name -> Hydra overrides
    interventions: list[str] = field(default_factory=list)  # of config/intervention/ or of own_interventions
    figures: list[str] = field(default_factory=list)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    io: IoConfig = field(default_factory=IoConfig)
    expect_digest: str | None = None
    code_digest: str = "unknown"  # set by the workflow; `unknown` in a hand-typed run


ConfigStore.instance().store(name="typed_config", node=Config)

#: What each step may read. Everything else raises, so a rerun is never missed.
SECTIONS: dict[str, tuple[str, ...]] = {
    "train_model": ("seed", "split_seed", "training"),
    "download_model": ("model.name", "model.source", "model.revision"),
    "prepare_dataset": (
        "split_seed",
        "split",
        "dataset.name",
        "dataset.plugin",
        "dataset.modalities",
        "dataset.num_samples",
        "dataset.options",
    ),
    "plant_neurons": ("model", "planting"),
    "capture_activations": ("split", "model", "dataset.name", "capture"),
    "capture_gradients": (
        "split",
        "model",
        "dataset.name",
        "capture.shards",
        "gradients.batch_size",
        "gradients.alpha",
        "gradients.num_steps",
    ),
    "aggregate_importance": ("mining_datasets",),
    "aggregate_gradients": (),
    "select_neurons": ("seed", "selection", "controls"),
    "rate_selectors": ("seed", "selection"),
    "compare_selectors": (),
    "retest_selections": ("seed", "selection", "mining_datasets"),
    "benchmark_ablation": ("seed", "model", "dataset.name", "dataset.max_new_tokens", "intervention", "ablation"),
    "score_ablation": ("dataset.name", "dataset.scores"),
    "measure_selectivity": ("benchmark_modalities",),
    "judge_sets": (),
    "plot_figures": ("figure",),
    "build_report": (
        "title",
        "seed",
        "split",
        "models",
        "mining_datasets",
        "benchmarks",
        "selections",
        "own_interventions",
        "interventions",
        "figures",
    ),
}


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """Compose the config tree with Hydra overrides.

    Raises:
        UserError: a group has no such choice, a key does not exist, or a value has the wrong type.
    """
    for override in overrides:
        group, _, choice = override.partition("=")
        if group in GROUPS:
            check_choice(CONFIG_DIR, group, choice.strip("'"))
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        choices = tuple(override.input_line or "" for override in parsed if chooses(override))
        values = [override for override in parsed if not chooses(override)]
        cfg = copied(choices, {override.key_or_group.partition(".")[0] for override in values})
        ConfigLoaderImpl._apply_overrides_to_config(values, cfg)
        return cfg
    except (YAMLError, UnicodeDecodeError) as error:
        raise refusal(error, CONFIG_DIR) from error
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ or error
        if (
            isinstance(cause, ConfigAttributeError | ConfigKeyError)
            and cause.full_key
            and cause.parent_node is not None
        ):
            raise unknown_key(cause) from error
        reason = str(cause).strip()
        raise UserError(f"the config does not compose with {' '.join(overrides)}: {reason}") from error


def chooses(override: Override) -> bool:
    """Whether an override decides which files are composed; `a=1,2`, a sweep, goes the same way, to be refused."""
    key = override.key_or_group
    return key in GROUPS or "/" in key or override.package is not None or override.is_sweep_override()


@cache
def chosen(choices: tuple[str, ...]) -> DictConfig:
    """The config of some group choices, before values are changed.

    Reading the files is nearly all of the work; in an experiment of a hundred selections they are read once per choice,
    and Hydra's own function puts the values on top. Read-only: copies share parts of it.
    """
    if not GlobalHydra.instance().is_initialized():
        initialize_config_dir(str(CONFIG_DIR), version_base="1.3")
    cfg = hydra_compose("config", overrides=list(choices))
    OmegaConf.set_readonly(cfg, True)
    return cfg


@cache
def fixed(choices: tuple[str, ...]) -> dict[str, Any]:
    """The sections of `chosen` without interpolations: they say the same whatever becomes of the others."""
    cfg = chosen(choices)
    nodes = {str(key): cfg._get_node(key) for key in cfg}
    return {key: node for key, node in nodes.items() if "${" not in str(node)}


def copied(choices: tuple[str, ...], touched: set[str]) -> DictConfig:
    """A copy of `chosen` for changes in some sections; of the others, those that are fixed are shared, not copied.

    So a plan does not copy the overrides of all its selections for each of them.
    """
    shared = [node for key, node in fixed(choices).items() if key not in touched]
    cfg = deepcopy(chosen(choices), {id(node): node for node in shared})
    OmegaConf.set_readonly(cfg, None)
    return cfg


def unknown_key(error: OmegaConfBaseException) -> UserError:
    """The error for a config key that does not exist, with its siblings."""
    parent = str(error.full_key).rpartition(".")[0]
    siblings = [f"{parent}.{key}" if parent else str(key) for key in error.parent_node if key != "hydra"]
    remedy = f"To add an entry to this mapping, write +{error.full_key}=..." if error.object_type is dict else ""
    return unknown_name("config key", error.full_key, siblings or ["(none)"], remedy)


def restrict(cfg: DictConfig, step: str, extra: Sequence[str] = ()) -> DictConfig:
    """Only the sections that the step declares, resolved; reading any other key raises."""
    out = OmegaConf.create({})
    for key in (*SECTIONS[step], *extra):
        value = OmegaConf.select(cfg, key, throw_on_missing=True)
        if OmegaConf.is_config(value):
            value = OmegaConf.to_container(value, resolve=True, throw_on_missing=key != "io")
        OmegaConf.update(out, key, value, force_add=True)
    OmegaConf.set_struct(out, True)
    return out


def semantic_json(cfg: DictConfig, step: str) -> str:
    """The config of a step as sorted JSON: what a rerun is decided by."""
    return json.dumps(OmegaConf.to_container(restrict(cfg, step), resolve=True), sort_keys=True)


def digest(text: str) -> str:
    """A short digest; the leading letter keeps YAML and Hydra from reading it as a number."""
    return f"d{sha256(text.encode()).hexdigest()[:16]}"
