"""The samples that a benchmark is run on: those of the `test` split, which the model was not trained on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table
from lode.model.training_data import check_unseen
from lode.table.dataset import DATASET

Sample = Mapping[str, Any]


def tested_samples(cfg: StepConfig) -> list[Sample]:
    """Rows of the dataset table in split `test`, in their order.

    Args:
        cfg: with `model.name`, `dataset.name`, `io.manifest` and `io.dataset`.

    Raises:
        UserError: the model was trained on them, or there is none.
    """
    trained_on = json.loads(Path(cfg.io["manifest"]).read_text())["trained_on"]
    prepared = read_provenance(cfg.io["dataset"])["config"]
    check_unseen(cfg.model.name, trained_on, cfg.dataset.name, prepared["dataset"]["plugin"], prepared["split_seed"])
    tested = [row for row in read_table(cfg.io["dataset"], DATASET).to_pylist() if row["split"] == "test"]
    if not tested:
        raise UserError(f"{cfg.dataset.name}: no sample in split 'test'; expected at least one: prepare more")
    return tested


def evenly(samples: Sequence[Sample], count: int) -> list[Sample]:
    """So many of the samples, or all where there are fewer, at even distances in their order."""
    kept = min(count, len(samples))
    return [samples[place * len(samples) // kept] for place in range(kept)]
