"""Made-up tables of neurons: a row for every group, layer and neuron, with plausible numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lode.grouping.modality import GROUPS
from lode.importance import BY_ATTENTION, METRICS, NORMALISATIONS, by_normalisation
from lode.table import table_of
from lode.table._dense import list_column, neuron_columns
from lode.table.gradients import GRADIENTS
from lode.table.importance import IMPORTANCE

MODALITIES = tuple(GROUPS)


def filled_fields(kind: str) -> list[pa.Field]:
    """The fields that every row of the gate has a number in; optional ones are left out."""
    return [
        field
        for field in table_of(kind).schema
        if not field.nullable or (field.name.startswith(BY_ATTENTION) and not pa.types.is_list(field.type))
    ]


NUM_LAYERS, NUM_NEURONS = 2, 3
SHAPE = (len(MODALITIES), NUM_LAYERS, NUM_NEURONS)


def statistics(num_samples: dict[int, int], scores: dict[int, float], pooled: float = 0.0) -> dict[str, Any]:
    """Columns of a statistics table: by group the samples that hold it, and the sum of every score."""
    columns = neuron_columns(MODALITIES, NUM_LAYERS, NUM_NEURONS)
    counts, sums = np.zeros(SHAPE, dtype=np.int64), np.zeros(SHAPE)
    for group, count in num_samples.items():
        counts[group] = count
    for group, value in scores.items():
        sums[group] = value
    for field in filled_fields("statistics"):
        integer = pa.types.is_integer(field.type)
        columns.setdefault(field.name, np.full(counts.size, int(pooled) if integer else pooled))
    columns["num_samples"] = counts.ravel()
    return columns | {f"{metric}_score_sum": sums.ravel() * (1 + i) for i, metric in enumerate(METRICS)}


def captured_importance(
    seed: int = 0,
    num_layers: int = 4,
    num_neurons: int = 60,
    num_samples: int = 9,
    num_bins: int = 16,
    groups: Sequence[str] = MODALITIES,
    absent: Sequence[str] = ("video", "audio"),
) -> pa.Table:
    """An importance table as a capture of everything leaves it, with gradients: random, but sums and counts agree.

    Every sample holds every group but those that are absent.
    """
    rng = np.random.default_rng(seed)
    columns = neuron_columns(groups, num_layers, num_neurons)
    held = ~np.isin(np.asarray(columns["group"]), absent)
    size = len(held)
    for name in METRICS:
        columns[name] = rng.random(size) * held
        values = rng.normal(rng.normal(size=(size, 1)), 1, (size, num_samples)) * held[:, None]
        for kind, kept in ((name, values), ("abs_mean", np.abs(values))):
            columns[f"{kind}_sum"], columns[f"{kind}_sumsq"] = kept.sum(1), np.square(kept).sum(1)
    bins = rng.integers(0, num_bins, (size, num_samples)) + num_bins * np.arange(size)[:, None]
    counts = np.bincount(bins.ravel(), minlength=size * num_bins).reshape(size, num_bins) * held[:, None]
    columns["histogram"] = list_column(counts.astype(np.int32))
    columns |= {"num_samples": held * num_samples, "num_tokens": held * num_samples * 8}
    columns["positive_count"] = rng.integers(0, num_samples * 8 + 1, size) * held
    columns |= {
        "hidden_abs_sum": rng.random(size) * held,
        "down_norm": np.resize(rng.random(num_layers * num_neurons), size),
    }
    further = np.random.default_rng([seed, 1])
    for name in METRICS:
        lists = further.random((size, len(NORMALISATIONS))) * held[:, None]
        columns[by_normalisation(name)] = list_column(lists)
    gradients = list(GRADIENTS.schema)[7:]
    columns |= {field.name: rng.random(size) * held for field in gradients}
    schema = pa.schema([*IMPORTANCE.schema, *gradients])
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)
