"""Made-up statistics of domains: shards of datasets in which each neuron fires at a known rate on each domain."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lode.engine.tables import with_nulls
from lode.grouping import PROMPT, Grouping, grouping_of
from lode.importance import METRICS, NORMALISATIONS, score_sums
from lode.study import compose
from lode.table._dense import list_column, neuron_columns
from lode.table.statistics import STATISTICS
from tests.dense_tables import filled_fields

DOMAINS = ("road", "scan", "form")
CHOICE = ["grouping=domain", "selection=lape", "selection.group_split=all", "selection.ratio=0.05"]
TOKENS = 200  # of a domain in a shard


def grouping() -> Grouping:
    """One dataset a domain."""
    return grouping_of(compose(CHOICE).grouping)


def shard(
    domain: str, rate: np.ndarray, rng: np.random.Generator, num_samples: int = 10, site: str = "lm_gate"
) -> pa.Table:
    """Statistics of samples of one domain.

    Args:
        domain: of all samples.
        rate: P(a > 0) of each neuron (layer, neuron).
        rng: of the counts, and of all scores.
        num_samples: in the shard.
        site: where the neurons are.
    """
    groups = grouping().names
    shape = (len(groups), *rate.shape)
    columns: dict[str, Any] = neuron_columns(groups, *rate.shape, site)
    inside = np.isin(np.array(groups), (domain, PROMPT))[:, None, None]
    counts = np.broadcast_to(rng.binomial(TOKENS, rate), shape) * inside
    for field in filled_fields("statistics"):
        kind = np.int64 if pa.types.is_integer(field.type) else np.float64
        columns.setdefault(field.name, np.zeros(counts.size, kind))
    columns["num_samples"] = np.broadcast_to(num_samples * inside, shape).ravel()
    columns["num_tokens"] = np.broadcast_to(TOKENS * inside, shape).ravel()
    columns["positive_count"] = counts.ravel()
    for metric in METRICS:
        scores = num_samples * np.broadcast_to(rate + rng.normal(0, 0.02, rate.shape).clip(-0.05), shape) * inside
        columns[f"{metric}_score_sum"] = scores.ravel()
        columns[score_sums(metric)] = list_column(np.repeat(scores[..., None], len(NORMALISATIONS), axis=-1))
    return pa.table(with_nulls(columns, STATISTICS), schema=STATISTICS.schema)


def datasets(rates: Mapping[str, np.ndarray], num_shards: int, seed: int = 0) -> dict[str, list[pa.Table]]:
    """Shards of one dataset a domain, by the name of the dataset."""
    rng = np.random.default_rng(seed)
    return {f"toy_{name}": [shard(name, rate, rng) for _ in range(num_shards)] for name, rate in rates.items()}
