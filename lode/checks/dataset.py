"""Refuse, while the job graph is built, data that are not there, are too few, or are known to the model."""

from importlib import import_module
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lode.checks.names import check_keywords, check_name, check_plugin, check_positive
from lode.engine.errors import UserError
from lode.engine.paths import is_local, user_path
from lode.model.tokens import MEDIA, TOKEN_KINDS
from lode.model.training_data import check_unseen, training_data


def check_files(dataset: Any) -> None:
    """Refuse a dataset whose own file, or local folder, is not there."""
    path = dataset.options.get("path")
    if path is not None and not user_path(path).is_file():
        raise UserError(
            f"dataset.options.path of {dataset.name}: {user_path(path)} is not a file; expected a table of samples, "
            "Parquet where the dataset names no other kind"
        )
    for key in ("source", "videos", "tokenizer"):
        source = dataset.options.get(key)
        if source is not None and is_local(source) and not user_path(source).is_dir():
            raise UserError(
                f"dataset.options.{key} of {dataset.name}: {source!r} is not a folder, and a hub id has the form "
                "owner/name"
            )


def num_at_hand(dataset: Any, split: str) -> int:
    """How many samples of a split there will be, as far as can be known: of an own file no more than it holds.

    A file whose columns have to be mapped has no column of splits.
    """
    num_samples, path = int(dataset.num_samples[split]), dataset.options.get("path")
    if path is None or "columns" in dataset.options:
        return num_samples
    try:
        splits = pq.read_table(user_path(path), columns=["split"])["split"]
        return min(num_samples, pc.sum(pc.equal(splits.cast(pa.string()), split)).as_py() or 0)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise UserError(
            f"dataset.options.path of {dataset.name}: {user_path(path)} has no readable column 'split' ({error}); "
            "expected a Parquet table of samples"
        ) from error


def check_shards(cfg: Any, section: str, split: str) -> None:
    """Refuse more shards than a split has samples."""
    shards, num_samples = cfg[section].shards, num_at_hand(cfg.dataset, split)
    if shards > num_samples:
        raise UserError(
            f"{section}.shards = {shards}: expected at most the {num_samples} samples of {cfg.dataset.name} in split "
            f"{split!r}"
        )


def check_tested_data(cfg: Any) -> None:
    """Refuse a benchmark that is in what the model was trained on, where a local folder states it."""
    model, dataset = cfg.model, cfg.dataset
    if is_local(model.source):
        stated = training_data(user_path(model.source))
        check_unseen(model.name, stated, dataset.name, dataset.plugin, cfg.split_seed)


def check_dataset(cfg: Any) -> None:
    """Refuse an unknown plug-in, modality or option, and splits without samples."""
    dataset = cfg.dataset
    check_plugin("dataset", dataset.plugin)
    for kind in dataset.modalities:
        check_name("modality of a dataset", kind, TOKEN_KINDS)
    if set(dataset.num_samples) != {"mine", "test"}:
        raise UserError(f"dataset.num_samples of {dataset.name}: expected `mine` and `test`, got {dataset.num_samples}")
    for split, count in dataset.num_samples.items():
        check_positive(f"dataset.num_samples.{split} of {dataset.name}", count)
    check_files(dataset)
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    check_keywords(f"dataset {dataset.name}", plugin.samples, dataset.options, given=3)


def holds_media(dataset: Any) -> bool:
    """Whether the samples of a dataset hold more than text."""
    return bool(set(MEDIA) & set(dataset.modalities))


def check_media(cfg: Any) -> None:
    """A model must take every medium that the dataset holds."""
    for medium in cfg.dataset.modalities:
        if medium in MEDIA and medium not in cfg.model.media_tokens:
            raise UserError(
                f"dataset {cfg.dataset.name} holds {medium}, but model {cfg.model.name} takes "
                f"{', '.join(cfg.model.media_tokens) or 'text only'}; choose another model or dataset"
            )
    for medium in cfg.model.required_media:
        if medium not in cfg.dataset.modalities:
            raise UserError(
                f"model {cfg.model.name} needs {medium} in every sample, and dataset {cfg.dataset.name} holds "
                f"{', '.join(cfg.dataset.modalities)}; choose another model or dataset"
            )
