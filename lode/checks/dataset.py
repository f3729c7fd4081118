"""Refuse, while the job graph is built, data that are not there, are too few, or are known to the model."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lode.engine.errors import UserError
from lode.engine.paths import is_local, user_path
from lode.model.training_data import check_unseen, training_data


def check_files(dataset: Any) -> None:
    """Refuse a dataset whose own file, or local folder, is not there."""
    path = dataset.options.get("path")
    if path is not None and not user_path(path).is_file():
        raise UserError(
            f"dataset.options.path of {dataset.name}: {user_path(path)} is not a file; expected a Parquet table of "
            "samples"
        )
    for key in ("source", "videos", "tokenizer"):
        source = dataset.options.get(key)
        if source is not None and is_local(source) and not user_path(source).is_dir():
            raise UserError(
                f"dataset.options.{key} of {dataset.name}: {source!r} is not a folder, and a hub id has the form "
                "owner/name"
            )


def num_at_hand(dataset: Any, split: str) -> int:
    """How many samples of a split there will be, as far as can be known: of an own file no more than it holds."""
    num_samples, path = int(dataset.num_samples[split]), dataset.options.get("path")
    if path is None:
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
