"""From the sums of shards to one importance per group, layer and neuron; of all shards, or of some.

docs/methods.md 1.3: within a dataset the mean over all its samples (a sample without the group adds zeros);
across datasets the sum, divided per group by the number of datasets in which it occurs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lode.engine.errors import UserError, unknown_name
from lode.engine.tables import Table, read_table, with_nulls
from lode.grouping import PROMPT
from lode.importance import METRICS, by_normalisation, score_sums
from lode.importance.sums import FIXED, LISTS, Sums, added, sums_of, total
from lode.table._dense import blocks_of, list_column, neuron_columns, of_site
from lode.table._run import DATASET_NAME
from lode.table.importance import IMPORTANCE


def sites_of(shards: Sequence[pa.Table]) -> list[str]:
    """The sites that shards are of, in their order.

    Raises:
        UserError: some shards are of other sites than others.
    """
    found = {tuple(shard["site"].unique().to_pylist()) for shard in shards}
    if len(found) != 1:
        raise UserError(
            f"shards of one model are of different sites: {'; '.join(', '.join(sites) for sites in sorted(found))}; "
            "delete the activations and run again"
        )
    return list(next(iter(found)))


def aggregate(
    sums_by_dataset: Sequence[Float[np.ndarray, "metric group layer neuron"]],
    num_samples: Sequence[int],
    occurs: Sequence[np.ndarray],
) -> Float[np.ndarray, "metric group layer neuron"]:
    """MINER importance over datasets.

    Args:
        sums_by_dataset: per dataset, sums over samples of the normalised importance; the first axis may be any.
        num_samples: per dataset, how many samples were captured, with or without the group; of a tower, how many of
            them reach it, so that a dataset of which none does adds nothing.
        occurs: per dataset, whether each group occurs (group).
    """
    means = sum(sums / max(count, 1) for sums, count in zip(sums_by_dataset, num_samples, strict=True))
    num_datasets = np.maximum(sum(flags.astype(int) for flags in occurs), 1)
    return means / num_datasets[None, :, None, None]


def importance_columns(by_dataset: Mapping[str, Sequence[pa.Table]]) -> dict[str, Any]:
    """The columns of the importance table, from the shards of every mining dataset or from some of them.

    Sites come one after the other; what a site does not have is null there.
    """
    sites = sites_of([shard for shards in by_dataset.values() for shard in shards])
    columns = [
        site_columns(
            {name: added([sums_of(of_site(shard, site)) for shard in shards]) for name, shards in by_dataset.items()}
        )
        for site in sites
    ]
    if len(columns) == 1:
        return columns[0]
    table = pa.concat_tables([pa.table(with_nulls(each, IMPORTANCE), schema=IMPORTANCE.schema) for each in columns])
    return {name: table[name] for name in table.column_names}


def site_columns(by_dataset: Mapping[str, Sums]) -> dict[str, Any]:
    """The columns of the importance table for one site, from the sums of each dataset; what it lacks is left out."""
    first = next(iter(by_dataset.values()))
    groups, statistics = first.groups, [dict(sums.columns) for sums in by_dataset.values()]
    if len({frozenset(values) for values in statistics}) != 1:
        raise UserError(
            "the mining datasets were captured with different settings; delete the activations and run again"
        )
    prompt, metrics = groups.index(PROMPT), [metric for metric in METRICS if f"{metric}_score_sum" in statistics[0]]
    importance_of = partial(
        aggregate,
        num_samples=[int(values["num_samples"][prompt, 0, 0]) for values in statistics],
        occurs=[values["num_samples"][:, 0, 0] > 0 for values in statistics],
    )
    importance = importance_of([np.stack([values.pop(f"{m}_score_sum") for m in metrics]) for values in statistics])
    num_layers, num_neurons = importance.shape[2:]
    columns = neuron_columns(groups, num_layers, num_neurons, first.site)
    columns |= {metric: importance[index].ravel() for index, metric in enumerate(metrics)}
    for metric in (m for m in metrics if score_sums(m) in statistics[0]):
        lists = [np.moveaxis(values.pop(score_sums(metric)), -1, 0) for values in statistics]
        columns[by_normalisation(metric)] = list_column(np.moveaxis(importance_of(lists), 0, -1))
    for name in statistics[0]:
        if name in LISTS:
            columns[name] = list_column(total(values[name] for values in statistics))
        elif name in FIXED:
            columns[name] = statistics[0][name].ravel()
        else:
            dtype = IMPORTANCE.schema.field(name).type.to_pandas_dtype()
            columns[name] = np.asarray(sum(values[name] for values in statistics)).ravel().astype(dtype)
    return columns


def shards_of(paths: Sequence[str], table: Table, datasets: Sequence[str]) -> dict[str, list[pa.Table]]:
    """Read shards, `<shard>.parquet` in a folder that says the dataset, in the order of their numbers, block by block.

    Args:
        paths: of all shards of one model, under one null.
        table: what they are.
        datasets: the mining datasets.

    Raises:
        UserError: a shard of another dataset, or a dataset without one.
    """
    found: dict[str, list[pa.Table]] = {name: [] for name in datasets}
    for path in sorted(map(Path, paths), key=lambda path: int(path.stem)):
        name = table.said_by(path)[DATASET_NAME.name]
        if name not in found:
            raise unknown_name(f"dataset of the shard {path}", name, found, "Their paths say <model>/<dataset>.")
        found[name] += blocks_of(read_table(path, table))
    for name, shards in found.items():
        if not shards:
            raise UserError(f"mining dataset {name}: no shard of it was given; capture it first")
    return found
