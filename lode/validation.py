"""Refuse a bad config while the job graph is built, and again when a script is run by hand.

Every check is about names, ranges and files at hand; none loads a model. Checks change no number, so this
module is left out of the code digest (`lode/engine/fingerprint.py`).
"""

import inspect
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any

from lode.cards import FIGURE_TABLES
from lode.checks.dataset import check_files, check_shards, check_tested_data
from lode.checks.intervention import check_intervention
from lode.checks.model_folder import check_chat_template, local_folder
from lode.engine.errors import UserError, unknown_name
from lode.engine.paths import ROOT, is_local
from lode.shapes import (
    ATTENTION_KINDS,
    MODALITIES,
    MODALITY_SPLITS,
    NORMALISATIONS,
    SPLITS,
    TOKEN_MODALITIES,
    VIDEO_FRAMES,
)

MAX_BINS = 512
DTYPES = ("float32", "bfloat16", "float16")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?|spread")
ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
#: Arguments of a processor's call; it ignores any other with a mere warning.
PROCESSOR_PARTS = ("text_kwargs", "images_kwargs", "videos_kwargs", "audio_kwargs")
#: Options of a tokenizer that would cut prompts or pad them.
CUTS = ("max_length", "padding", "stride", "truncation")


def known_plugins(group: str) -> list[str]:
    """Names of the plug-ins of a group: the files in `lode/<group>/`; what starts with `_` belongs to the group."""
    return [path.stem for path in (ROOT / "lode" / group).glob("[!_]*.py")]


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


def check_model(cfg: Any) -> None:
    """Refuse a model folder that cannot be loaded, an unknown medium or number format, and prompts that are cut."""
    model = cfg.model
    if is_local(model.source):
        check_chat_template(local_folder(model.source), f"model.source {model.source!r}", model.chat_template)
    for medium in model.media_tokens:
        check_name("medium of a model", medium, set(TOKEN_MODALITIES) - {"text", "special"})
    for medium in (*model.towers, *model.required_media):
        check_name("medium without a token in model.media_tokens", medium, set(model.media_tokens) or {"(none)"})
    for part in model.processor:
        check_name("part of model.processor", part, PROCESSOR_PARTS)
    for option in set(CUTS) & set(model.processor.get("text_kwargs") or ()):
        raise UserError(
            f"model.processor.text_kwargs.{option} = {model.processor.text_kwargs[option]}: a prompt is never cut or "
            "padded to a length; take the option out. What is longer than the model's context is refused by name"
        )
    check_auto_class(model.auto_class)
    for key, known in (("dtype", DTYPES), ("attn_implementation", ATTENTIONS), ("video_frames", VIDEO_FRAMES)):
        check_name(f"model.{key}", model[key], known)
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


def check_split_seed(cfg: Any) -> None:
    """Refuse a seed of datasets that no generator takes."""
    if cfg.split_seed < 0:
        raise UserError(f"split_seed = {cfg.split_seed}: expected a whole number of at least 0")


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
    check_files(dataset)
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    check_keywords(f"dataset {dataset.name}", plugin.samples, dataset.options, given=3)


def check_scores(cfg: Any) -> None:
    """Refuse an unknown score, none, or a headline that falls where only the end of a reply is lost."""
    if not cfg.dataset.scores:
        raise UserError(
            f"dataset {cfg.dataset.name}: no score; list at least one of {', '.join(known_plugins('scoring'))}"
        )
    for name in cfg.dataset.scores:
        check_plugin("scoring", name)
    blind = [name for name in known_plugins("scoring") if not import_module(f"lode.scoring.{name}").SEES_STOPPING]
    if cfg.dataset.scores[0] not in blind:
        raise UserError(
            f"dataset {cfg.dataset.name}: the first score is the headline, and what follows the answer changes "
            f"{cfg.dataset.scores[0]!r}; put one of {', '.join(sorted(blind))} before it"
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
        raise UserError(f"capture.num_bins = {num_bins}: expected 0, or an even number from 4 to {MAX_BINS}: say 512")
    check_positive("capture.batch_size", cfg.capture.batch_size)
    check_mined_shards(cfg)


def check_mined_shards(cfg: Any) -> None:
    """Refuse shards of the mining split without samples."""
    check_positive("capture.shards", cfg.capture.shards)
    check_shards(cfg, "capture", "report" if cfg.split == "paper" else "mine")


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
    check_positive("ablation.shards", cfg.ablation.shards)
    check_shards(cfg, "ablation", "report")
    check_tested_data(cfg)
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


#: The checks of the steps that have any.
CHECKS: dict[str, tuple[Callable[[Any], None], ...]] = {
    "train_model": (check_training,),
    "download_model": (check_model,),
    "prepare_dataset": (check_split, check_split_seed, check_dataset),
    "plant_neurons": (check_model, check_planting, check_runtime),
    "capture_activations": (check_split, check_model, check_dataset, check_media, check_capture, check_runtime),
    "capture_gradients": (check_split, check_model, check_dataset, check_media, check_gradients, check_runtime),
    "select_neurons": (check_seed, check_selection),
    "rate_selectors": (check_seed, check_selection),
    "retest_selections": (check_seed, check_selection),
    "benchmark_ablation": (
        check_seed,
        check_split,
        check_model,
        check_dataset,
        check_media,
        check_ablation,
        check_runtime,
    ),
    "score_ablation": (check_scores,),
    "measure_selectivity": (check_benchmarks,),
    "plot_figures": (check_figure,),
}


def validate(cfg: Any, step: str) -> None:
    """Run every check of a step.

    Raises:
        UserError: what is wrong, the value, what was expected, what to do.
    """
    for check in CHECKS.get(step, ()):
        check(cfg)
