"""The typed config: Hydra composes `config/`, and these dataclasses refuse wrong keys and types.

Which sections a step may read is on its card (`lode/cards/`). A field without a default must be set in a YAML.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING, DictConfig


@dataclass
class SiteConfig:
    """Where neurons are: dotted paths from the model; `*` runs over the children of a list, in order."""

    activation: list[str] = MISSING  # modules whose output is the activations, nearest the input first
    reader: list[str] = MISSING  # as many linear maps: column n is what neuron n writes
    mask: str | None = None  # the model's input that says which rows are no padding; None: all rows are real
    mask_kind: str = "entries"  # it has entries for rows; or anyres: sizes of pictures (lode/model/masks.py)
    mask_first: int = 0  # the entry that is the first row's, where it has several entries a row


def lm_gate() -> dict[str, SiteConfig]:
    """The gate of the language model's feed-forward layers, which every model has."""
    return {"lm_gate": SiteConfig(["${....layers}.*.mlp.act_fn"], ["${....layers}.*.mlp.down_proj"])}


@dataclass
class PartConfig:
    """Weights that a model's folder does not hold: a GGUF file in a wheel of a package index."""

    source: str = MISSING  # pypi:<name>==<version>
    file: str = MISSING  # within the wheel
    sha256: str = MISSING  # of the wheel


@dataclass
class ModelConfig:
    """Where a model is and where its parts are; an adapter is this table of facts."""

    name: str = MISSING
    source: str = MISSING  # a folder (relative to the project) or a hub id `owner/name`
    revision: str | None = None  # hub models: a commit, tag or branch
    parts: dict[str, PartConfig] | None = None  # what the folder lacks, by the path of the module that it is
    auto_class: str = "AutoModelForImageTextToText"
    layers: str = "model.language_model.layers"  # path of the list of language-model layers
    attention: str = "self_attn"  # within a layer
    sites: dict[str, SiteConfig] = field(default_factory=lm_gate)  # where neurons are, by name
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
class LookConfig:
    """How a group looks in every figure."""

    colour: str = MISSING
    marker: str = "o"  # of matplotlib, so that no figure needs its colours


@dataclass
class GroupingConfig:
    """What is compared: modalities, domains, ...; a group's own benchmarks are those that hold all its parts, but:"""

    name: str = MISSING
    plugin: str = "${.name}"  # lode/grouping/<plugin>.py
    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the plug-in
    own_without: dict[str, list[str]] = field(default_factory=dict)  # of a group: those that hold none of these parts
    no_own: list[str] = field(default_factory=list)  # groups that have none
    looks: dict[str, LookConfig] = field(default_factory=dict)  # by group; others look like any other name


@dataclass
class ContrastConfig:
    """A difference between two strata that is declared before anything is seen."""

    key: str = MISSING  # of `meta`
    one: str = MISSING  # the value of the samples that should lose
    other: str = MISSING  # and of those that should not
    within: str | None = None  # a key of `meta`: compared within its equal values, of the same weight each


@dataclass
class DatasetConfig:
    """Which samples, what they hold, and how replies to them are scored."""

    name: str = MISSING
    plugin: str = "${.name}"  # lode/dataset/<plugin>.py
    modalities: list[str] = field(default_factory=list)  # token modalities that every sample holds
    num_samples: dict[str, int] = field(default_factory=dict)  # mine: ..., test: ...
    max_new_tokens: int = 128
    scores: list[str] = field(default_factory=list)  # lode/scoring/<score>.py
    strata: list[str] = field(default_factory=list)  # keys of `meta` to score samples apart by; `a+b`: by both
    classes: list[str] = field(default_factory=list)  # scores by which a reply is read as a class: choices are classes
    contrasts: dict[str, ContrastConfig] = field(default_factory=dict)  # by name: what a set should cost one, not other
    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the plug-in
    citation: str = ""
    licence: str = ""


@dataclass
class SelectionConfig:
    """How neurons are selected."""

    name: str = MISSING
    plugin: str = "${.name}"  # lode/selection/<plugin>.py
    sites: list[str] | None = field(default_factory=lambda: ["lm_gate"])  # each alone; None: all that were captured
    group_split: str = "special_text_separate"  # of the grouping: which groups take part
    groups: list[str] | None = None  # None: all of the split that occur
    ratio: float = 0.02  # share of all neurons, in (0, 1]
    options: dict[str, Any] = field(default_factory=dict)  # keyword arguments of the plug-in


@dataclass
class InterventionConfig:
    """What is done to a set of neurons."""

    name: str = MISSING
    plugin: str = "${.name}"  # lode/intervention/<plugin>.py
    neurons: str = "set"  # or others: all that are not in the set
    tokens: str = "all"  # or own: those of the set's group; generated: those of the reply
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
    site: str = "lm_gate"  # or one of the picture encoder, where a group is one of samples: a domain, say
    groups: list[str] = field(default_factory=lambda: ["text", "special", "image"])  # modalities; else of the grouping
    strength: float = 3.0  # how far gates are pushed down outside their group [standard deviations]
    effect: float = 30.0  # how long what sentinels write is, once both of a pair are off [mean lengths of the residual]
    host_frac: float = 0.25  # planted neurons look like this share of the layer, the most active on the group
    num_planted: int = 2  # for each group
    num_pairs: int = 1  # of redundant neurons, for each group of `paired`; none in the last layer
    paired: list[str] | None = None  # None: all that are planted
    num_mute: int = 1  # for each group: specific, and writing nothing
    num_unspecific: int = 1  # for each group: active on it, and large on all
    num_cancelling: int = 1  # pairs of large neurons that undo each other
    num_samples: int = 24  # of each dataset, to measure by and to prove on; at other sites as many others prove


@dataclass
class CaptureConfig:
    """How activations are captured."""

    attention: str = "reference"  # or causal: docs/methods.md 1.2
    batch_size: int = 50
    shards: int = 1  # shard i holds every shards-th sample from i on, so prefixes of shards are nested sub-samples
    blocks: int = 1  # of every shard, kept apart as shards are, in one job; what is dealt anew are shards x blocks
    normalisation: str = "minmax"  # or rank, zscore, robust, none: over the neurons of one sample, group, layer
    all_normalisations: bool = False  # keeps importance under each of the five beside it, for `layer_profile`
    num_bins: int = 0  # even: histograms of per-sample means, which some selections need; 0: none
    hidden_site: bool = False  # also sums at the input of down_proj, which `contribution` needs
    # Which sites, of those that a model has; null: all. With another than lm_gate samples go one a batch.
    sites: list[str] | None = field(default_factory=lambda: ["lm_gate"])
    token_budget: int | None = None  # of every dataset so many tokens, alike of all samples; null: all


@dataclass
class NullsConfig:
    """What sets are compared with where the samples lack what groups should differ by (docs/methods.md 4.19)."""

    kinds: list[str] = field(default_factory=list)  # captured anew: blank, same_prompt
    kind: str = "blank"  # that of one job, set by the workflow
    prompt: str | None = "What is this?"  # of every sample under same_prompt
    shards: int = 1  # jobs that share the samples of a dataset; of a captured null the sum alone is read
    num_draws: int = 100  # of permuted labels


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
class ShiftConfig:
    """How far sets move hidden states; measured where a figure shows it."""

    enabled: bool = False  # measure it without such a figure too
    max_samples: int = 40  # of each benchmark, at even distances
    num_controls: int | None = None  # of each kind and set, the first draws; null: all of them
    batch_size: int = 10  # the clean states of a batch are held: lode/recording/_shift.py


@dataclass
class TraceConfig:
    """What is seen inside the model on the benchmarks; traced where a figure shows it."""

    enabled: bool = False  # trace without such a figure too
    max_samples: int = 100  # of each benchmark, at even distances
    batch_size: int = 10
    reservoir: int = 512  # tokens of each group whose states are kept
    tokens_per_group: int = 4  # of each sample, that the logit lens reads: what that costs, benchmarks/trace.py
    num_listed: int = 200  # tokens of each group whose likeliest words are listed
    num_grids: int = 1  # pictures of which every patch is
    # Beside `clean`: lode/media/altered.py, where it changes media of the benchmark, and permuted_weights.
    variants: list[str] = field(
        default_factory=lambda: ["blank", "noise", "shuffled", "silence", "reversed", "permuted_weights"]
    )


@dataclass
class TraceSetsConfig:
    """What sets change inside the model on the benchmarks; traced where a figure shows it."""

    enabled: bool = False  # trace without such a figure too
    max_samples: int = 40  # of each benchmark, at even distances
    num_controls: int | None = None  # of each kind and set, the first draws; null: all of them
    batch_size: int = 10
    tokens_per_group: int = 4  # of each sample, that the logit lens reads


@dataclass
class CutConfig:
    """Where attention is cut on the benchmarks; cut where a figure shows it. Passes: lode/model/windows.py."""

    enabled: bool = False  # cut without such a figure too
    max_samples: int = 40  # of each benchmark, at even distances
    batch_size: int = 20
    # (source, target): groups of the grouping, media, before (all of the prompt); as target also last, with the answer.
    pairs: list[list[str]] = field(
        default_factory=lambda: [
            ["media", "last"], ["text", "last"], ["special", "last"], ["before", "last"],
            ["media", "text"], ["media", "special"], ["text", "special"],
        ]
    )  # fmt: skip
    windows: list[str] = field(default_factory=lambda: ["one", "some", "all"])  # of layers: 1, max(3, 0.28 L), L
    num_controls: int = 20  # draws of as many random edges, of each pair cut in all layers
    num_window_controls: int = 3  # of each pair cut in fewer


@dataclass
class HeadsConfig:
    """How heads of attention are ablated on the benchmarks; where a figure shows it."""

    enabled: bool = False  # without such a figure too
    max_samples: int = 40  # of each benchmark, at even distances
    batch_size: int = 20
    num_maps: int = 2  # samples whose attention is kept token by token


@dataclass
class CompareStatesConfig:
    """How the states of groups of tokens are compared; where a figure shows it."""

    enabled: bool = False  # without such a figure too
    max_tokens: int = 256  # of each of two groups
    num_permutations: int = 199  # of labels within clusters, of each pair of groups, layer and space
    bank: str | None = "text"  # the group whose tokens others reach for; null: no phenomena
    num_draws: int = 999  # of labels among the ids of a group and the bank


@dataclass
class AlignStatesConfig:
    """How the states of the same contents in two forms are compared; where a figure shows it."""

    enabled: bool = False  # without such a figure too
    num_permutations: int = 999  # of whole contents


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
    grouping: GroupingConfig = field(default_factory=GroupingConfig)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    intervention: InterventionConfig = field(default_factory=InterventionConfig)
    figure: FigureConfig = field(default_factory=FigureConfig)
    training: dict[str, Any] = field(default_factory=dict)
    planting: PlantingConfig = field(default_factory=PlantingConfig)
    capture: CaptureConfig = field(default_factory=CaptureConfig)
    nulls: NullsConfig = field(default_factory=NullsConfig)
    gradients: GradientsConfig = field(default_factory=GradientsConfig)
    controls: ControlsConfig = field(default_factory=ControlsConfig)
    ablation: AblationConfig = field(default_factory=AblationConfig)
    shift: ShiftConfig = field(default_factory=ShiftConfig)
    trace: TraceConfig = field(default_factory=TraceConfig)
    trace_sets: TraceSetsConfig = field(default_factory=TraceSetsConfig)
    cut: CutConfig = field(default_factory=CutConfig)
    heads: HeadsConfig = field(default_factory=HeadsConfig)
    compare_states: CompareStatesConfig = field(default_factory=CompareStatesConfig)
    align_states: AlignStatesConfig = field(default_factory=AlignStatesConfig)
    title: str = ""
    models: list[str] = field(default_factory=list)
    plantings: dict[str, list[str]] = field(default_factory=dict)  # name of a planted model -> Hydra overrides
    mining_datasets: list[str] = field(default_factory=list)
    benchmarks: list[str] = field(default_factory=list)
    # What every sample of a benchmark holds, by benchmark: set by the workflow, for each model.
    benchmark_parts: dict[str, list[str]] = field(default_factory=dict)
    selections: dict[str, list[str]] = field(default_factory=dict)  # name -> Hydra overrides
    own_interventions: dict[str, list[str]] = field(default_factory=dict)  # name -> Hydra overrides
    interventions: list[str] = field(default_factory=list)  # of config/intervention/ or of own_interventions
    figures: list[str] = field(default_factory=list)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    io: dict[str, Any] = field(default_factory=dict)  # paths that the workflow hands over, by kind of file
    expect_digest: str | None = None
    code_digest: str = "unknown"  # set by the workflow; `unknown` in a hand-typed run


# A stage is handed an OmegaConf node of the sections on its card, in which any other key raises (`restrict`); it has
# the attributes of the dataclasses, and by these a type checker knows it.
if TYPE_CHECKING:
    StepConfig = Config
    DatasetSection = DatasetConfig
    GroupingSection = GroupingConfig
    SelectionSection = SelectionConfig
    CaptureSection = CaptureConfig
else:
    StepConfig = DatasetSection = GroupingSection = SelectionSection = CaptureSection = DictConfig
