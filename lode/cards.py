"""Every step of the study on one page: what it does, which config it may read, which tables it reads and writes.

Rules, scripts, stage modules and folders of results have the names of the cards. From them follow the paths, what is
recorded of a job and what runs again, `make verify`, what the report shows, and the table in README. The relations that
jobs run over are those of `workflow/study.py`. No torch here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from lode.checks.intervention import read_intervention
from lode.engine.paths import ROOT, is_local, user_path
from lode.engine.sources import at_hand
from lode.engine.study import Card, Read
from lode.model.manifest import files_of

#: What decides which tokens are of which group.
GROUPING = ("grouping.name", "grouping.plugin", "grouping.options")
#: Models with the selections that are made of them: those whose sites they have.
SETS = ("models", "selections", "selecting")
RUNS = (*SETS, "interventions")
_RUN = "{model}/{selection}/{intervention}"
#: The templates of the report's page, one a section.
PAGE = Path("lode/page/report")
TEMPLATES = tuple(sorted(str(PAGE / path.name) for path in (ROOT / PAGE).glob("*.jinja")))
#: What a planted model is called where it is a model as any other.
PLANTED = {"planting": "model"}


def needs_gradients(cfg: Any) -> bool:
    """Whether a selection needs attributions, and so a pass backwards."""
    needs = import_module(f"lode.selection.{cfg.selection.plugin}").NEEDS
    return any(key.startswith("gradients.") for key in needs)


def needs_class_means(cfg: Any) -> bool:
    """Whether an intervention takes values from the importance table."""
    return "class_means" in read_intervention(cfg.intervention.plugin)[1]


def is_planted(cfg: Any) -> bool:
    """Whether a model is one that `plant_neurons` makes."""
    return cfg.model.name in cfg.plantings


def drawn_from(table: str) -> Callable[[Any], bool]:
    """Whether a figure is drawn from a table."""
    return lambda cfg: table in cfg.figure.tables


def model_files(cfg: Any) -> Mapping[str, Path]:
    """The files of a model folder at hand; what lies on the hub is pinned by its revision."""
    local = is_local(cfg.model.source) and not is_planted(cfg)
    return files_of(user_path(cfg.model.source).resolve()) if local else {}


def dataset_files(cfg: Any) -> Mapping[str, Path]:
    """The files and folders at hand that a dataset is read from."""
    places = {str(option): at_hand(value) for option, value in cfg.dataset.options.items()}
    return {option: path for option, path in places.items() if path}


def files_of_manifest(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """The files of a model folder of the project with their digests; none of a hub model, which lies in its cache."""
    folder = ROOT / manifest["folder"]
    if not folder.is_relative_to(ROOT) or manifest["revision"]:
        return {}
    return {str(folder / file["name"]): file["sha256"] for file in manifest["files"]}


def plugin(group: str, cfg: Any) -> list[str]:
    """The module of a plug-in that a section of the config names."""
    return [f"lode.{group}.{cfg[group].plugin}"]


def plugins(groups: Sequence[str], cfg: Any) -> list[str]:
    """Those of several sections."""
    return [module for group in groups for module in plugin(group, cfg)]


def plugins_of_training(cfg: Any) -> Iterator[str]:
    """The recipe, its datasets and their scores."""
    yield f"lode.training.{cfg.training.get('builder', cfg.training.name)}"
    for name, options in cfg.training.datasets.items():
        yield f"lode.dataset.{options.get('plugin', name)}"
        yield f"lode.scoring.{options.score}"


def plugins_of_recording(name: str, cfg: Any) -> list[str]:
    """The grouping, and what is recorded."""
    return [*plugin("grouping", cfg), f"lode.recording.{name}"]


def plugins_of_trace(cfg: Any) -> list[str]:
    """The grouping, and what is recorded of a trace."""
    return [*plugin("grouping", cfg), *(f"lode.recording.{name}" for name in ("lens", "flow", "states"))]


def plugins_of_selection(cfg: Any) -> list[str]:
    """The grouping, the selection, and the kinds of its controls."""
    return [*plugins(("grouping", "selection"), cfg), *(f"lode.control.{kind}" for kind in cfg.controls.kinds)]


def plugins_of_scores(cfg: Any) -> list[str]:
    """The scores that every benchmark has, and its own."""
    return [f"lode.scoring.{name}" for name in ("content", "stopping", *cfg.dataset.scores)]


def plugins_of_classes(cfg: Any) -> list[str]:
    """The scores by which replies are read as classes."""
    return [f"lode.scoring.{name}" for name in cfg.dataset.classes]


def plugins_of_figure(cfg: Any) -> list[str]:
    """The grouping, the figure, and the tables that it is drawn from."""
    return [*plugins(("grouping", "figure"), cfg), *(f"lode.table.{name}" for name in cfg.figure.tables)]


MANIFEST, DATASET = Read("manifest"), Read("dataset")
#: The tables that a figure can be drawn from.
FIGURE_TABLES = (
    "importance", "neurons", "scores", "effects", "comparisons", "selectivity", "verdicts", "scoreboard", "retests",
    "shifts", "shift_tests", "shift_selectivity",
    "strata", "contrasts", "classes", "class_summary",
    "domains", "set_nulls", "profiles",
    "lens", "stages", "flow",
    "cuts", "heads", "attention_maps",
)  # fmt: skip

CARDS = (
    Card(
        "download_model",
        "fetch a model, and record exactly which",
        over=("downloads",),
        sections=("model.name", "model.source", "model.revision"),
        reads=(Read("model", when=is_planted, under={"model": "planting"}),),
        writes={"manifest": "{model}/manifest.json"},
        resources="heavy",
        sources=model_files,
        vouches=files_of_manifest,
    ),
    Card(
        "prepare_dataset",
        "draw samples and divide them into two splits that share nothing",
        over=("datasets",),
        sections=(
            "split_seed",
            "split",
            "dataset.name",
            "dataset.plugin",
            "dataset.modalities",
            "dataset.num_samples",
            "dataset.options",
        ),
        writes={"dataset": "{dataset}.parquet"},
        resources="heavy",
        plugins=partial(plugin, "dataset"),
        sources=dataset_files,
    ),
    Card(
        "train_model",
        "train a small model from its recipe (only when asked for: `make retrain`)",
        over=None,
        sections=("seed", "split_seed", "training"),
        folders={"trained": "{training}"},
        resources="heavy",
        plugins=plugins_of_training,
    ),
    Card(
        "plant_neurons",
        "add neurons of known purpose to a model: [ground truth](docs/scoreboard.md)",
        over=("plantings",),
        sections=("model", "planting", *GROUPING),
        reads=(Read("manifest", under={"base": "model"}), Read("dataset", among=("mined",), under=PLANTED)),
        writes={"truth": "truth/{planting}.parquet", "proof": "proof/{planting}.parquet"},
        folders={"model": "model/{planting}"},
        resources="heavy",
        plugins=partial(plugin, "grouping"),
    ),
    Card(
        "capture_activations",
        "one forward pass a sample; keep mergeable sums",
        over=("mined", "shards"),
        sections=("split", "model", *GROUPING, "dataset.name", "capture"),
        reads=(MANIFEST, DATASET),
        writes={"statistics": "{model}/{dataset}/{shard}.parquet"},
        resources="gpu",
        plugins=partial(plugins_of_recording, "activations"),
    ),
    Card(
        "capture_nulls",
        "the same with every medium blank, or one prompt for all (only the `nulls.kinds` asked for)",
        over=("mined", "nulls", "null_shards"),
        sections=("split", "model", *GROUPING, "dataset.name", "capture", "nulls.kind", "nulls.prompt", "nulls.shards"),
        reads=(MANIFEST, DATASET),
        writes={"null_statistics": "{model}/{dataset}/{null}/{shard}.parquet"},
        resources="gpu",
        plugins=partial(plugins_of_recording, "activations"),
    ),
    Card(
        "capture_gradients",
        "a pass backwards too, where a selection needs gradients",
        over=("attributed", "mined", "shards"),
        sections=(
            "split",
            "model",
            *GROUPING,
            "dataset.name",
            "capture.shards",
            "gradients.batch_size",
            "gradients.alpha",
            "gradients.num_steps",
        ),
        reads=(MANIFEST, DATASET),
        writes={"gradients": "{model}/{dataset}/{shard}.parquet"},
        resources="gpu",
        plugins=partial(plugins_of_recording, "gradients"),
    ),
    Card(
        "aggregate_importance",
        "merge shards, weigh datasets: one importance per group, layer and neuron",
        over=("models",),
        sections=("mining_datasets",),
        reads=(Read("statistics"),),
        writes={"importance": "{model}.parquet"},
        resources="heavy",
    ),
    Card(
        "aggregate_gradients",
        "add up the attributions of all shards",
        over=("attributed", "models"),
        reads=(Read("gradients"),),
        writes={"attributions": "{model}.parquet"},
        resources="heavy",
    ),
    Card(
        "select_neurons",
        "choose a set for each group, and draw matched controls",
        over=SETS,
        sections=("seed", *GROUPING, "selection", "controls"),
        reads=(Read("importance"), Read("attributions", when=needs_gradients)),
        writes={"neurons": "{model}/{selection}.parquet"},
        resources="heavy",
        plugins=plugins_of_selection,
    ),
    Card(
        "rate_selectors",
        "compare a selection with what was planted",
        over=("plantings", "selections", "rating"),
        sections=("seed", *GROUPING, "selection"),
        reads=(
            Read("importance", under=PLANTED),
            Read("attributions", when=needs_gradients, under=PLANTED),
            Read("truth"),
        ),
        writes={"ratings": "{planting}/{selection}.parquet"},
        plugins=partial(plugins, ("grouping", "selection")),
    ),
    Card(
        "compare_selectors",
        "average the ratings over plantings",
        over=("planted",),
        reads=(Read("ratings"),),
        writes={"scoreboard": "scoreboard.parquet"},
        beside={"text": "scoreboard.md"},
    ),
    Card(
        "retest_selections",
        "select again from parts of the samples: would others give the same set?",
        over=("retested", *SETS),
        sections=("seed", *GROUPING, "selection", "mining_datasets"),
        reads=(Read("statistics"), Read("gradients", when=needs_gradients)),
        writes={"retests": "{model}/{selection}.parquet"},
        resources="heavy",
        plugins=partial(plugins, ("grouping", "selection")),
    ),
    Card(
        "measure_domains",
        "select again where groups do not differ: blank media, one prompt, permuted labels, halves of one group",
        over=("measured", *SETS),
        sections=("seed", *GROUPING, "selection", "mining_datasets", "nulls.num_draws"),
        reads=(Read("statistics"), Read("null_statistics")),
        writes={name: f"{name}/{{model}}/{{selection}}.parquet" for name in ("domains", "set_nulls")},
        resources="heavy",
        plugins=partial(plugins, ("grouping", "selection")),
    ),
    Card(
        "profile_layers",
        "where in depth sets sit, under every normalisation of the importance",
        over=("profiled", *SETS),
        sections=("seed", *GROUPING, "selection", "mining_datasets"),
        reads=(Read("statistics"),),
        writes={"profiles": "{model}/{selection}.parquet"},
        resources="heavy",
        plugins=partial(plugins, ("grouping", "selection")),
    ),
    Card(
        "benchmark_ablation",
        "switch no neuron, each set and each control, and ask the model",
        over=(*RUNS, "tested", "ablation_shards"),
        sections=("seed", "model", *GROUPING, "dataset.name", "dataset.max_new_tokens", "intervention", "ablation"),
        reads=(MANIFEST, DATASET, Read("neurons"), Read("importance", when=needs_class_means)),
        writes={"predictions": f"{_RUN}/{{dataset}}/{{shard}}.parquet"},
        resources="gpu",
        plugins=partial(plugins, ("grouping", "intervention")),
    ),
    Card(
        "score_ablation",
        "score every set, and compare it with the clean model and its controls",
        over=(*RUNS, "tested"),
        sections=("dataset.name", "dataset.scores"),
        reads=(DATASET, Read("predictions")),
        writes={name: f"{name}/{_RUN}/{{dataset}}.parquet" for name in ("scores", "effects", "sample_scores")},
        plugins=plugins_of_scores,
    ),
    Card(
        "score_strata",
        "score every set by strata of samples, and by the classes that replies name",
        over=("stratified", *RUNS, "tested"),
        sections=("dataset.name", "dataset.strata", "dataset.classes"),
        reads=(DATASET, Read("sample_scores"), Read("predictions")),
        writes={name: f"{name}/{_RUN}/{{dataset}}.parquet" for name in ("strata", "classes", "class_summary")},
        plugins=plugins_of_classes,
    ),
    Card(
        "compare_strata",
        "compare what a set costs two strata of samples, as declared, with what its controls cost",
        over=("contrasted", *RUNS, "tested"),
        sections=("dataset.name", "dataset.contrasts"),
        reads=(DATASET, Read("sample_scores"), Read("neurons")),
        writes={"contrasts": f"contrasts/{_RUN}/{{dataset}}.parquet"},
    ),
    Card(
        "measure_selectivity",
        "compare what a set costs on the benchmarks of its group with what it costs on others",
        over=RUNS,
        sections=(*GROUPING, "grouping.own_without", "grouping.no_own", "benchmark_parts"),
        reads=(Read("effects"), Read("sample_scores")),
        writes={name: f"{name}/{_RUN}.parquet" for name in ("comparisons", "selectivity")},
        plugins=partial(plugins, ("grouping",)),
    ),
    Card(
        "measure_shift",
        "measure how far each set, and each control, moves the hidden states of prompts",
        over=("shifted", *RUNS, "tested"),
        sections=(
            "seed",
            "model",
            *GROUPING,
            "dataset.name",
            "intervention",
            "shift.max_samples",
            "shift.num_controls",
            "shift.batch_size",
        ),
        reads=(MANIFEST, DATASET, Read("neurons"), Read("importance", when=needs_class_means)),
        writes={name: f"{name}/{_RUN}/{{dataset}}.parquet" for name in ("shifts", "sample_shifts")},
        resources="gpu",
        plugins=partial(plugins, ("grouping", "intervention")),
    ),
    Card(
        "compare_shifts",
        "compare what a set moves with what its controls move, and its own group with others",
        over=("shifted", *RUNS),
        sections=GROUPING,
        reads=(Read("sample_shifts"), Read("neurons")),
        writes={name: f"{name}/{_RUN}.parquet" for name in ("shift_tests", "shift_selectivity")},
        plugins=partial(plugins, ("grouping",)),
    ),
    Card(
        "judge_sets",
        "say of each set whether it is specific, not shown to be, or cannot be told",
        reads=(Read("selectivity"), Read("neurons")),
        writes={"verdicts": "verdicts.parquet"},
    ),
    Card(
        "trace_states",
        "what every layer would say, what the last token takes from where, and states of a reservoir of tokens",
        over=("traced", "tested"),
        sections=(
            "seed",
            "model",
            *GROUPING,
            "dataset.name",
            "trace.max_samples",
            "trace.batch_size",
            "trace.reservoir",
            "trace.tokens_per_group",
            "trace.variants",
        ),
        reads=(MANIFEST, DATASET),
        writes={name: f"{name}/{{model}}/{{dataset}}.parquet" for name in ("lens_samples", "flow_samples", "states")},
        resources="gpu",
        plugins=plugins_of_trace,
    ),
    Card(
        "summarise_trace",
        "mean over samples what was traced, compare it with every null, and test the three stages",
        over=("traced", "tested"),
        reads=(Read("lens_samples"), Read("flow_samples")),
        writes={name: f"{name}/{{model}}/{{dataset}}.parquet" for name in ("lens", "stages", "flow")},
    ),
    Card(
        "cut_attention",
        "cut attention between two groups of tokens, layer by layer, and take what the gold answer loses",
        over=("cut", "tested"),
        sections=(
            "seed",
            "model",
            *GROUPING,
            "dataset.name",
            "cut.max_samples",
            "cut.batch_size",
            "cut.pairs",
            "cut.windows",
            "cut.num_controls",
            "cut.num_window_controls",
        ),
        reads=(MANIFEST, DATASET),
        writes={"cut_samples": "{model}/{dataset}.parquet"},
        resources="gpu",
        plugins=partial(plugins, ("grouping",)),
    ),
    Card(
        "compare_cuts",
        "compare what cut attention costs with as many random edges into the same tokens",
        over=("cut", "tested"),
        reads=(Read("cut_samples"),),
        writes={"cuts": "{model}/{dataset}.parquet"},
    ),
    Card(
        "ablate_heads",
        "replace each head of attention by its mean, and see what it looked at from the last token",
        over=("headed", "tested"),
        sections=(
            "seed",
            "model",
            *GROUPING,
            "dataset.name",
            "heads.max_samples",
            "heads.batch_size",
            "heads.num_maps",
        ),
        reads=(MANIFEST, DATASET),
        writes={name: f"{name}/{{model}}/{{dataset}}.parquet" for name in ("heads", "attention_maps")},
        resources="gpu",
        plugins=partial(plugins, ("grouping",)),
    ),
    Card(
        "plot_figures",
        "draw the tables that `config/figure/{figure}.yaml` names",
        over=("figures",),
        sections=(*GROUPING, "grouping.looks", "figure"),
        reads=tuple(Read(table, when=drawn_from(table)) for table in FIGURE_TABLES),
        writes={"figure": "{figure}.svg"},
        beside={"png": "{figure}.png"},
        plugins=plugins_of_figure,
    ),
    Card(
        "build_report",
        "one page to read",
        sections=(
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
            *GROUPING,
            "grouping.looks",
        ),
        reads=(
            Read("figure"),
            Read("manifest", among=("models",)),
            DATASET,
            Read("statistics"),
            Read("gradients"),
            Read("predictions"),
            Read("sample_scores"),
            Read("importance"),
            Read("neurons"),
            Read("scores"),
            Read("effects"),
            Read("comparisons"),
            Read("selectivity"),
            Read("verdicts"),
            Read("shifts"),
            Read("shift_tests"),
            Read("shift_selectivity"),
            Read("strata"),
            Read("contrasts"),
            Read("classes"),
            Read("class_summary"),
        ),
        writes={"report": "report.html"},
        place="",
        plugins=partial(plugins, ("grouping",)),
        files=TEMPLATES,
    ),
)
