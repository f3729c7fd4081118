"""Refuse a bad config while the job graph is built, and again when a script is run by hand.

Every check is about names, ranges and files at hand; none loads a model. Checks change no number, so this
module is left out of the code digest (`workflow/fingerprint.py`).
"""

import inspect
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from lode.config import ROOT
from lode.errors import UserError, unknown_name
from lode.shapes import (
    ATTENTION_KINDS,
    MEMBERS,
    MODALITIES,
    MODALITY_SPLITS,
    NORMALISATIONS,
    SPLITS,
    TOKEN_MODALITIES,
)

TABLES = ("importance", "neurons", "scores", "effects")
NO_PLUGIN = ("__init__",)
MAX_BINS = 512
DTYPES = ("float32", "bfloat16", "float16")
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
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
    if not (folder / "config.json").is_file():
        raise UserError(f"model.source {source!r}: no config.json; expected a Hugging Face model folder")
    if not any(folder.glob("*.safetensors")):
        held = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise UserError(
            f"model.source {source!r}: no weights (*.safetensors); the folder holds {held}. Pickled weights (.bin) "
            "are never loaded: convert them with `save_pretrained(..., safe_serialization=True)`"
        )
    for file in folder.glob("*.safetensors"):
        check_weights(file)
    return folder


def check_model(cfg: Any) -> None:
    """Refuse a model folder without weights, an unknown medium or number format."""
    model = cfg.model
    if is_local(model.source):
        local_folder(model.source)
    for medium in (*model.media_tokens, *model.towers):
        check_name("medium of a model", medium, set(TOKEN_MODALITIES) - {"text", "special"})
    check_name("model.dtype", model.dtype, DTYPES)


def check_runtime(cfg: Any) -> None:
    """Refuse an unknown device."""
    check_positive("runtime.threads", cfg.runtime.threads)
    if not DEVICE.fullmatch(cfg.runtime.device):
        raise UserError(f"runtime.device = {cfg.runtime.device!r}: expected auto, cpu, cuda, cuda:<index> or mps")


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
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    check_keywords(f"dataset {dataset.name}", plugin.samples, dataset.options, given=3)


def check_scores(cfg: Any) -> None:
    """Refuse an unknown score, or none, and a bootstrap that cannot be."""
    if not cfg.dataset.scores:
        raise UserError(
            f"dataset {cfg.dataset.name}: no score; list at least one of {', '.join(known_plugins('scoring'))}"
        )
    for name in cfg.dataset.scores:
        check_plugin("scoring", name)
    check_positive("scoring.num_resamples", cfg.scoring.num_resamples)
    if not 0 < cfg.scoring.confidence_level < 1:
        raise UserError(
            f"scoring.confidence_level = {cfg.scoring.confidence_level}: expected a share in (0, 1), such as 0.95"
        )


def check_media(cfg: Any) -> None:
    """A model must take every medium that the dataset holds."""
    for modality in cfg.dataset.modalities:
        if modality not in ("text", "special", *cfg.model.media_tokens):
            raise UserError(
                f"dataset {cfg.dataset.name} holds {modality}, but model {cfg.model.name} takes "
                f"{', '.join(cfg.model.media_tokens) or 'text only'}; choose another model or dataset"
            )


def check_capture(cfg: Any) -> None:
    """Refuse an unknown kind of attention, and shards without samples."""
    check_name("capture.attention", cfg.capture.attention, ATTENTION_KINDS)
    check_name("capture.normalisation", cfg.capture.normalisation, NORMALISATIONS)
    num_bins = cfg.capture.num_bins
    if num_bins and not (4 <= num_bins <= MAX_BINS and num_bins % 2 == 0):
        raise UserError(f"capture.num_bins = {num_bins}: expected 0, or an even number from 4 to {MAX_BINS}: say 64")
    check_positive("capture.batch_size", cfg.capture.batch_size)
    check_positive("capture.shards", cfg.capture.shards)
    num_samples = cfg.dataset.num_samples["report" if cfg.split == "paper" else "mine"]
    if cfg.capture.shards > num_samples:
        raise UserError(
            f"capture.shards = {cfg.capture.shards}: expected at most the {num_samples} samples of {cfg.dataset.name}"
        )


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
    check_positive("controls.num_draws", cfg.controls.num_draws)
    plugin = import_module(f"lode.selection.{selection.plugin}")
    check_keywords(f"selection {selection.name}", plugin.check_options, selection.options)
    plugin.check_options(**selection.options)


def check_ablation(cfg: Any) -> None:
    """Refuse an unknown intervention."""
    check_plugin("intervention", cfg.intervention.plugin)
    check_positive("ablation.batch_size", cfg.ablation.batch_size)
    check_positive("dataset.max_new_tokens", cfg.dataset.max_new_tokens)


def check_figure(cfg: Any) -> None:
    """Refuse a figure of unknown tables."""
    check_plugin("figure", cfg.figure.plugin)
    for table in cfg.figure.tables:
        check_name("table of a figure", table, TABLES)


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
    "capture": (check_split, check_model, check_dataset, check_media, check_capture, check_runtime),
    "aggregate": (),
    "select": (check_seed, check_selection),
    "ablate": (check_split, check_model, check_dataset, check_media, check_ablation, check_runtime),
    "score": (check_seed, check_scores),
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


def validate_experiment(cfg: Any, mined_modalities: set[str], selections: Mapping[str, Any]) -> None:
    """Checks across the parts of an experiment.

    Args:
        cfg: the experiment's config.
        mined_modalities: token modalities that the mining datasets hold.
        selections: the composed config of each named selection.
    """
    for key in ("models", "mining_datasets", "benchmarks", "selections", "interventions"):
        if not cfg[key]:
            raise UserError(f"the experiment's `{key}` is empty; name at least one")
        for name, times in Counter(list(cfg[key])).items():
            if times > 1:
                raise UserError(f"the experiment's `{key}` names {name} {times} times; once is enough")
            if not NAME.fullmatch(name):
                raise UserError(f"the experiment's `{key}`: {name!r} may hold letters, digits and . _ - only")
    for name, selected in selections.items():
        for modality in selected.selection.modalities or ():
            check_name("modality", modality, MODALITIES)
            parts = {"special_text": "text", "prompt": "text"}.get(modality, modality)
            if parts not in mined_modalities:
                raise UserError(
                    f"selection {name} asks for modality {modality!r}, which no mining dataset holds; "
                    f"they hold {', '.join(sorted(mined_modalities))}. Add a dataset to `mining_datasets`"
                )
        check_plugin("selection", selected.selection.plugin)
        check_name("selection.modality_split", selected.selection.modality_split, MODALITY_SPLITS)
        check_needs(name, selected.selection, cfg, mined_modalities)


def check_needs(name: str, selection: Any, cfg: Any, mined_modalities: set[str]) -> None:
    """Refuse a selection whose statistics the experiment does not capture, or that has nothing to contrast.

    Args:
        name: the selection in the experiment.
        selection: its composed `selection` section.
        cfg: the experiment's config, which captures for all selections.
        mined_modalities: token modalities that the mining datasets hold.
    """
    plugin = import_module(f"lode.selection.{selection.plugin}")
    for key, value in plugin.NEEDS.items():
        section, field = key.split(".")
        if not cfg[section][field]:
            raise UserError(
                f"selection {name} needs statistics that {key} = {cfg[section][field]} leaves out; "
                f"set {key}={str(value).lower()}"
            )
    if plugin.MIN_MODALITIES < 2:
        return
    wanted = selection.modalities or MODALITY_SPLITS[selection.modality_split]
    held = [modality for modality in wanted if mined_modalities & set(MEMBERS[modality])]
    if len(held) < plugin.MIN_MODALITIES:
        raise UserError(
            f"selection {name} compares modalities and needs at least {plugin.MIN_MODALITIES}; of modality_split "
            f"{selection.modality_split} the mining datasets hold {', '.join(held) or 'none'}. Take another "
            "modality_split, or add a dataset to `mining_datasets`"
        )
    members = [member for modality in held for member in MEMBERS[modality]]
    if len(set(members)) < len(members):
        raise UserError(
            f"selection {name} compares modalities, and of {', '.join(held)} some share tokens; expected disjoint "
            f"ones, such as {', '.join(MODALITY_SPLITS['special_text_separate'])}"
        )


def validate_pairs(cfg: Any, kind: str, pairs: Sequence[tuple[str, str]], compose: Callable[..., Any]) -> None:
    """Every model must take a dataset of the list, and every dataset be taken by a model.

    Args:
        cfg: the experiment's config.
        kind: `mining_datasets` or `benchmarks`.
        pairs: the (model, dataset) that go together.
        compose: the config for group choices such as `model=name`.

    Raises:
        UserError: what is left without a partner.
    """
    for dataset in cfg[kind]:
        if dataset not in {taken for _, taken in pairs}:
            check_media(compose(f"model={cfg.models[0]}", f"dataset={dataset}"))
    for model in cfg.models:
        if model not in {taking for taking, _ in pairs}:
            raise UserError(
                f"model {model} takes the media of none of the experiment's `{kind}` ({', '.join(cfg[kind])}); "
                "add a dataset for it"
            )
