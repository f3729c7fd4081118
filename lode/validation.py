"""Refuse a bad config while the job graph is built, and again when a script is run by hand.

Every check is about names, ranges and files at hand; none loads a model. Checks change no number, so this
module is left out of the code digest (`workflow/fingerprint.py`).
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lode.config import ROOT
from lode.errors import UserError, unknown_name
from lode.intervention_check import check_intervention
from lode.shapes import (
    ATTENTION_KINDS,
    MODALITIES,
    MODALITY_SPLITS,
    NORMALISATIONS,
    SPLITS,
    TOKEN_MODALITIES,
)

TABLES = ("importance", "neurons", "scores", "effects", "comparisons", "selectivity")
FIGURE_TABLES = (*TABLES, "scoreboard", "retests")
NO_PLUGIN = ("__init__",)
MAX_BINS = 512
DTYPES = ("float32", "bfloat16", "float16")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?|spread")
ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
#: Arguments of a processor's call; it ignores any other with a mere warning.
PROCESSOR_PARTS = ("text_kwargs", "images_kwargs", "videos_kwargs", "audio_kwargs")
#: What a name may hold: it becomes a folder, a wildcard and part of an override.
NAME = re.compile(r"[A-Za-z0-9_.-]+")


def known_plugins(group: str) -> list[str]:
    """Names of the plug-ins of a group: the files in `lode/<group>/`."""
    return [p.stem for p in (ROOT / "lode" / group).glob("*.py") if p.stem not in NO_PLUGIN]


def check_name(kind: str, value: str, known: Any, remedy: str = "") -> None:
    """Refuse a name that is not in a closed list."""
    if value not in known:
        raise unknown_name(kind, value, known, remedy)


def check_plugin(group: str, name: str) -> None:
    """Refuse a plug-in without a file."""
    check_name(f"{group} plug-in", name, known_plugins(group), f"To add it, create lode/{group}/{name}.py.")


def check_positive(key: str, value: int) -> None:
    """Refuse a count below 1."""
    if value < 1:
        raise UserError(f"{key} = {value}: expected a whole number of at least 1")


def check_keywords(what: str, function: Callable[..., Any], options: Mapping[str, Any], given: int = 0) -> None:
    """Refuse options that a function does not take, or lack of one that it needs; `given` come from the workflow."""
    parameters = list(inspect.signature(function).parameters.values())[given:]
    for key in options:
        if key not in {parameter.name for parameter in parameters}:
            raise unknown_name(f"option of {what}", key, [p.name for p in parameters] or ["(none)"])
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in options:
            raise UserError(f"{what} needs the option {parameter.name!r}; set it in the YAML's `options`")


def is_local(source: str) -> bool:
    """Whether a model source is a folder; anything else is a hub id `owner/name`."""
    return source.startswith((".", "/", "~")) or source.count("/") != 1 or (ROOT / source).is_dir()


def check_weights(file: Path) -> None:
    """Refuse a safetensors file whose length is not what its header promises: a Git LFS pointer, a broken download."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(8)
        length = int.from_bytes(start, "little")
        header = opened.read(length) if len(start) == 8 and length <= size else b""
    try:
        tensors = json.loads(header)
        promised = (
            8 + length + max((t["data_offsets"][1] for k, t in tensors.items() if k != "__metadata__"), default=0)
        )
    except (ValueError, AttributeError, KeyError, TypeError):
        promised = None
    if promised != size:
        what = "no safetensors header" if promised is None else f"{size} bytes, and its header promises {promised}"
        raise UserError(
            f"{file}: {what}; expected complete weights. A Git LFS pointer or a broken download? Fetch it again"
        )


def local_folder(source: str) -> Path:
    """The folder of a local model.

    Raises:
        UserError: it is no folder, or holds no config or no complete safetensors weights.
    """
    folder = (ROOT / Path(source).expanduser()).resolve()
    if not folder.is_dir():
        raise UserError(f"model.source {source!r}: {folder} is not a folder, and a hub id has the form owner/name")
    check_folder(folder, f"model.source {source!r}")
    return folder


def check_folder(folder: Path, what: str) -> None:
    """Refuse a model folder without a config, or without complete safetensors weights; `what` names it."""
    if not (folder / "config.json").is_file():
        raise UserError(f"{what}: no config.json; expected a Hugging Face model folder")
    if not any(folder.glob("*.safetensors")):
        held = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise UserError(
            f"{what}: no weights (*.safetensors); the folder holds {held}. Pickled weights (.bin) "
            "are never loaded: convert them with `save_pretrained(..., safe_serialization=True)`"
        )
    for file in folder.glob("*.safetensors"):
        check_weights(file)


def check_model(cfg: Any) -> None:
    """Refuse a model folder without weights, an unknown medium or number format."""
    model = cfg.model
    if is_local(model.source):
        local_folder(model.source)
    for medium in model.media_tokens:
        check_name("medium of a model", medium, set(TOKEN_MODALITIES) - {"text", "special"})
    for medium in (*model.towers, *model.required_media):
        check_name("medium without a token in model.media_tokens", medium, set(model.media_tokens) or {"(none)"})
    for part in model.processor:
        check_name("part of model.processor", part, PROCESSOR_PARTS)
    check_auto_class(model.auto_class)
    check_name("model.dtype", model.dtype, DTYPES)
    check_name("model.attn_implementation", model.attn_implementation, ATTENTIONS)
    if model.attn_implementation == "flash_attention_2" and model.dtype == "float32":
        raise UserError(
            "model.attn_implementation = flash_attention_2 and model.dtype = float32: flash attention computes in half "
            "precision only; set model.dtype=bfloat16, or model.attn_implementation=sdpa"
        )


def check_auto_class(name: str) -> None:
    """Refuse a class that transformers has not; its names are known before torch is imported."""
    if name not in known_classes():
        kinds = re.compile(r"AutoModelFor.*|.*For(ConditionalGeneration|CausalLM)")
        near = get_close_matches(name, filter(kinds.fullmatch, known_classes()), n=5, cutoff=0.4)
        remedy = f"It is a class of transformers {version('transformers')}; newer models need a newer version."
        raise unknown_name("model.auto_class", name, near or ["AutoModelForImageTextToText"], remedy)


@cache
def known_classes() -> tuple[str, ...]:
    """The names that transformers exports."""
    import transformers  # half a second, for the steps with a model only

    return tuple(dir(transformers))


def check_runtime(cfg: Any) -> None:
    """Refuse an unknown device."""
    check_positive("runtime.threads", cfg.runtime.threads)
    if not DEVICE.fullmatch(cfg.runtime.device):
        raise UserError(
            f"runtime.device = {cfg.runtime.device!r}: expected auto, cpu, cuda, cuda:<index>, mps or spread"
        )


def check_seed(cfg: Any) -> None:
    """Refuse a seed that no generator takes."""
    if cfg.seed < 0:
        raise UserError(f"seed = {cfg.seed}: expected a whole number of at least 0")


def check_dataset(cfg: Any) -> None:
    """Refuse an unknown plug-in, modality or option, and splits without samples."""
    dataset = cfg.dataset
    check_plugin("dataset", dataset.plugin)
    for modality in dataset.modalities:
        check_name("modality of a dataset", modality, TOKEN_MODALITIES)
    if set(dataset.num_samples) != {"mine", "report"}:
        raise UserError(
            f"dataset.num_samples of {dataset.name}: expected `mine` and `report`, got {dataset.num_samples}"
        )
    for split, count in dataset.num_samples.items():
        check_positive(f"dataset.num_samples.{split} of {dataset.name}", count)
    path = dataset.options.get("path")
    if path is not None and not (ROOT / path).is_file():
        raise UserError(
            f"dataset.options.path of {dataset.name}: {ROOT / path} is not a file; expected a Parquet table of samples"
        )
    for key in ("source", "videos"):
        source = dataset.options.get(key)
        if source is not None and is_local(source) and not (ROOT / Path(source).expanduser()).is_dir():
            raise UserError(
                f"dataset.options.{key} of {dataset.name}: {source!r} is not a folder, and a hub id has the form "
                "owner/name"
            )
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    check_keywords(f"dataset {dataset.name}", plugin.samples, dataset.options, given=3)


def check_scores(cfg: Any) -> None:
    """Refuse an unknown score, or none."""
    if not cfg.dataset.scores:
        raise UserError(
            f"dataset {cfg.dataset.name}: no score; list at least one of {', '.join(known_plugins('scoring'))}"
        )
    for name in cfg.dataset.scores:
        check_plugin("scoring", name)


def check_bootstrap(cfg: Any) -> None:
    """Refuse intervals that cannot be."""
    check_positive("scoring.num_resamples", cfg.scoring.num_resamples)
    if not 0 < cfg.scoring.confidence_level < 1:
        raise UserError(
            f"scoring.confidence_level = {cfg.scoring.confidence_level}: expected a share in (0, 1), such as 0.95"
        )


def check_benchmarks(cfg: Any) -> None:
    """Refuse a comparison of no benchmark, and unknown modalities."""
    if not cfg.benchmark_modalities:
        raise UserError("benchmark_modalities is empty; name the benchmarks: benchmark_modalities={toy_mmlu:[text]}")
    for held in cfg.benchmark_modalities.values():
        for modality in held:
            check_name("modality of a dataset", modality, TOKEN_MODALITIES)


def check_media(cfg: Any) -> None:
    """A model must take every medium that the dataset holds."""
    for modality in cfg.dataset.modalities:
        if modality not in ("text", "special", *cfg.model.media_tokens):
            raise UserError(
                f"dataset {cfg.dataset.name} holds {modality}, but model {cfg.model.name} takes "
                f"{', '.join(cfg.model.media_tokens) or 'text only'}; choose another model or dataset"
            )
    for medium in cfg.model.required_media:
        if medium not in cfg.dataset.modalities:
            raise UserError(
                f"model {cfg.model.name} needs {medium} in every sample, and dataset {cfg.dataset.name} holds "
                f"{', '.join(cfg.dataset.modalities)}; choose another model or dataset"
            )


def check_capture(cfg: Any) -> None:
    """Refuse an unknown kind of attention, and shards without samples."""
    check_name("capture.attention", cfg.capture.attention, ATTENTION_KINDS)
    check_name("capture.normalisation", cfg.capture.normalisation, NORMALISATIONS)
    num_bins = cfg.capture.num_bins
    if num_bins and not (4 <= num_bins <= MAX_BINS and num_bins % 2 == 0):
        raise UserError(f"capture.num_bins = {num_bins}: expected 0, or an even number from 4 to {MAX_BINS}: say 64")
    check_positive("capture.batch_size", cfg.capture.batch_size)
    check_mined_shards(cfg)


def check_mined_shards(cfg: Any) -> None:
    """Refuse shards of the mining split without samples."""
    check_shards(cfg, "capture", "report" if cfg.split == "paper" else "mine")


def check_shards(cfg: Any, section: str, split: str) -> None:
    """Refuse more shards than a split has samples."""
    shards, num_samples = cfg[section].shards, cfg.dataset.num_samples[split]
    check_positive(f"{section}.shards", shards)
    if shards > num_samples:
        raise UserError(
            f"{section}.shards = {shards}: expected at most the {num_samples} samples of {cfg.dataset.name}"
        )


def check_gradients(cfg: Any) -> None:
    """Refuse an exponent outside [0, 1], a negative number of steps, and shards without samples."""
    gradients = cfg.gradients
    check_positive("gradients.batch_size", gradients.batch_size)
    if not 0 <= gradients.alpha <= 1 or gradients.num_steps < 0:
        raise UserError(
            f"gradients.alpha = {gradients.alpha}, gradients.num_steps = {gradients.num_steps}: expected an exponent "
            "in [0, 1] and a whole number of at least 0, such as 0.5 and 8"
        )
    check_mined_shards(cfg)


def check_split(cfg: Any) -> None:
    """Refuse an unknown way to divide samples."""
    check_name("split", cfg.split, SPLITS)


def check_selection(cfg: Any) -> None:
    """Refuse what a selection could not work with."""
    selection = cfg.selection
    check_plugin("selection", selection.plugin)
    check_name("selection.modality_split", selection.modality_split, MODALITY_SPLITS)
    for modality in selection.modalities or ():
        check_name("modality", modality, MODALITIES)
    if not 0 < selection.ratio <= 1:
        raise UserError(f"selection.ratio = {selection.ratio}: expected a share of all neurons in (0, 1], such as 0.02")
    check_controls(cfg)
    plugin = import_module(f"lode.selection.{selection.plugin}")
    check_keywords(f"selection {selection.name}", plugin.check_options, selection.options)
    plugin.check_options(**selection.options)


def check_controls(cfg: Any) -> None:
    """Refuse an unknown kind of control, none, or one twice."""
    check_positive("controls.num_draws", cfg.controls.num_draws)
    for kind in cfg.controls.kinds:
        check_plugin("control", kind)
    if not cfg.controls.kinds or len(set(cfg.controls.kinds)) < len(cfg.controls.kinds):
        raise UserError(
            f"controls.kinds = {list(cfg.controls.kinds)}: expected at least one of "
            f"{', '.join(sorted(known_plugins('control')))}, each once"
        )


def check_ablation(cfg: Any) -> None:
    """Refuse an unknown intervention, what it could not work with, empty shards, batches and replies of no size."""
    check_plugin("intervention", cfg.intervention.plugin)
    check_intervention(cfg.intervention)
    check_positive("ablation.batch_size", cfg.ablation.batch_size)
    check_shards(cfg, "ablation", "report")
    check_positive("dataset.max_new_tokens", cfg.dataset.max_new_tokens)


def check_figure(cfg: Any) -> None:
    """Refuse a figure of unknown tables."""
    check_plugin("figure", cfg.figure.plugin)
    for table in cfg.figure.tables:
        check_name("table of a figure", table, FIGURE_TABLES)


def check_planting(cfg: Any) -> None:
    """Refuse a planting that cannot be."""
    planting = cfg.planting
    for modality in planting.modalities:
        check_name("modality to plant", modality, TOKEN_MODALITIES)
    if len(set(planting.modalities)) < 2:
        raise UserError("planting.modalities: name at least two, or there is nothing to be specific against")
    for modality in planting.paired or ():
        check_name("modality of planting.paired", modality, planting.modalities)
    for key in ("num_planted", "num_samples"):
        check_positive(f"planting.{key}", planting[key])
    for key in ("seed", "num_pairs", "num_mute", "num_unspecific", "num_cancelling", "strength"):
        if planting[key] < 0:
            raise UserError(f"planting.{key} = {planting[key]}: expected at least 0")
    if not 0 < planting.host_frac <= 1 or planting.effect <= 0:
        raise UserError(
            f"planting.host_frac = {planting.host_frac}, planting.effect = {planting.effect}: expected a share in "
            "(0, 1] and a length above 0"
        )
    if cfg.model.dtype != "float32":
        raise UserError(f"model.dtype = {cfg.model.dtype}: planting needs float32; its channels are too small for less")


def check_training(cfg: Any) -> None:
    """Refuse a recipe with unknown datasets."""
    for name, options in cfg.training.datasets.items():
        check_plugin("dataset", options.get("plugin", name))
        check_plugin("scoring", options.score)


#: The checks of each step.
CHECKS: dict[str, tuple[Callable[[Any], None], ...]] = {
    "train": (check_training,),
    "download": (check_model,),
    "prepare": (check_seed, check_dataset),
    "plant": (check_model, check_planting, check_runtime),
    "capture": (check_split, check_model, check_dataset, check_media, check_capture, check_runtime),
    "attribute": (check_split, check_model, check_dataset, check_media, check_gradients, check_runtime),
    "aggregate": (),
    "pool": (),
    "select": (check_seed, check_selection),
    "rate": (check_seed, check_selection),
    "retest": (check_seed, check_selection),
    "compare": (),
    "ablate": (check_seed, check_split, check_model, check_dataset, check_media, check_ablation, check_runtime),
    "score": (check_seed, check_scores, check_bootstrap),
    "measure": (check_seed, check_bootstrap, check_benchmarks),
    "plot": (check_figure,),
    "report": (),
}


def validate(cfg: Any, step: str) -> None:
    """Run every check of a step.

    Raises:
        UserError: what is wrong, the value, what was expected, what to do.
    """
    for check in CHECKS[step]:
        check(cfg)
