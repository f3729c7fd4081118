"""Stage 3: merge the shards of every mining dataset into one importance per modality, layer and neuron.

METHODS 1.3: within a dataset the mean over all its samples (a sample without the modality adds zeros);
across datasets the sum, divided per modality by the number of datasets in which it occurs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lode.artifacts import SCHEMAS, dense, neuron_columns, read_table, write_table
from lode.errors import UserError, unknown_name
from lode.shapes import METRICS

SCORE_SUMS = [f"{metric}_score_sum" for metric in METRICS]
POOLED = [name for name in SCHEMAS["statistics"].names[3:] if name not in SCORE_SUMS]


def merge(shards: Sequence[pa.Table]) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Add shards column by column.

    Returns:
        Modality names and, per statistic, an array (modality, layer, neuron).

    Raises:
        UserError: the shards come from models of different sizes.
    """
    columns = [*SCORE_SUMS, *POOLED]
    parts = [dense(shard, columns) for shard in shards]
    shapes = {values.shape for _, values in parts}
    if len(shapes) != 1:
        raise UserError(f"shards of one model differ in shape: {sorted(shapes)}; delete the activations and run again")
    total = np.sum([values for _, values in parts], axis=0)
    return parts[0][0], dict(zip(columns, total, strict=True))


def aggregate(
    score_sums: Sequence[Float[np.ndarray, "metric modality layer neuron"]],
    num_samples: Sequence[int],
    occurs: Sequence[np.ndarray],
) -> Float[np.ndarray, "metric modality layer neuron"]:
    """MINER importance over datasets.

    Args:
        score_sums: per dataset, sums over samples of the normalised importance.
        num_samples: per dataset, how many samples were captured, with or without the modality.
        occurs: per dataset, whether each modality occurs (modality).
    """
    means = sum(sums / count for sums, count in zip(score_sums, num_samples, strict=True))
    num_datasets = np.maximum(sum(flags.astype(int) for flags in occurs), 1)
    return means / num_datasets[None, :, None, None]


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Read all shards (io.shards: paths `<dataset>/<shard>.parquet`) and write the importance table."""
    by_dataset: Mapping[str, list[pa.Table]] = {name: [] for name in cfg.mining_datasets}
    for path in cfg.io.shards:
        name = Path(path).parent.name
        if name not in by_dataset:
            raise unknown_name(
                f"dataset of the shard {path}", name, by_dataset, "Shards are <dataset>/<shard>.parquet."
            )
        by_dataset[name].append(read_table(path, "statistics"))
    for name, shards in by_dataset.items():
        if not shards:
            raise UserError(f"mining dataset {name}: io.shards holds no shard of it; capture it first")
    merged = {name: merge(shards) for name, shards in by_dataset.items()}
    modalities = next(iter(merged.values()))[0]
    statistics = [values for _, values in merged.values()]
    prompt = modalities.index("prompt")
    importance = aggregate(
        [np.stack([values[name] for name in SCORE_SUMS]) for values in statistics],
        [int(values["num_samples"][prompt, 0, 0]) for values in statistics],
        [values["num_samples"][:, 0, 0] > 0 for values in statistics],
    )
    pooled = {name: sum(values[name] for values in statistics) for name in POOLED}
    columns = neuron_columns(modalities, *importance.shape[2:])
    columns |= {metric: importance[index].ravel() for index, metric in enumerate(METRICS)}
    for name, values in pooled.items():
        dtype = SCHEMAS["importance"].field(name).type.to_pandas_dtype()
        columns[name] = np.asarray(values).ravel().astype(dtype)
    write_table(cfg.io.output, "importance", columns, made_by)
