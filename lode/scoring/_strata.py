"""The samples of a benchmark by strata, and their scores as they were scored."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lode.engine.errors import UserError
from lode.neurons import SetKey
from lode.scoring._scored import Scored

Row = Mapping[str, Any]


def in_order(values: set[str]) -> list[str]:
    """Texts in order, whole numbers first and by their value."""
    return sorted(values, key=lambda text: (not text.isdecimal(), int(text) if text.isdecimal() else 0, text))


def strata_of(samples: Sequence[Row], key: str) -> np.ndarray:
    """The stratum of each sample; of a key `one+other`, both values joined alike.

    Raises:
        UserError: a sample lacks the key, or has no text, number or truth value there.
    """
    found = []
    for sample in samples:
        meta = json.loads(sample["meta"])
        for name in key.split("+"):
            if not isinstance(meta.get(name), str | int | float):
                has = ", ".join(of for of, value in meta.items() if isinstance(value, str | int | float)) or "(none)"
                raise UserError(
                    f"dataset.strata: {name!r} of sample {sample['sample_id']} is {meta.get(name, 'not there')!r}; "
                    f"expected a text or a number in the `meta` of every sample, which has {has} here"
                )
        found.append("+".join(str(meta[name]) for name in key.split("+")))
    return np.array(found)


def scored_of(table: pa.Table, origin: str) -> tuple[Scored, list[str]]:
    """The values of one score as they were scored, and the ids of the samples.

    Raises:
        UserError: sets differ in their samples, or the first is not the clean one.
    """
    ids = np.asarray(table["sample_id"].to_pylist())
    num_samples = len(set(ids.tolist()))
    rows = table.take(pa.array(range(0, len(ids), num_samples))).to_pylist()
    whole = len(ids) % num_samples == 0 and bool((ids.reshape(-1, num_samples) == ids[:num_samples]).all())
    if not whole or rows[0]["kind"] != "clean":
        raise UserError(f"{origin}: sets differ in their samples, or the clean one is not first; run the scoring again")
    sets = [SetKey(*(row[name] for name in SetKey._fields)) for row in rows]
    key = {name: rows[0][name] for name in ("dataset", "score_name", "outcome", "unit")}
    values = table["value"].to_numpy().reshape(-1, num_samples)
    clusters = np.asarray(table["cluster_id"].to_pylist())[:num_samples]
    counts = {of: row["num_neurons"] for of, row in zip(sets, rows, strict=True)}
    return Scored(key, sets, values, clusters, counts), ids[:num_samples].tolist()
