"""Stage 4: the neuron set of each modality, their union `all`, and layer-matched random controls for every set.

A control has the same number of *unique* neurons in every layer as the set it is matched to, drawn
without replacement from all neurons of the layer (METHODS 3): it differs from the set in the choice alone.
"""

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa

from lode.artifacts import SCHEMAS, read_table, write_table
from lode.errors import UserError
from lode.selection import Pairs, Set, num_asked
from lode.shapes import MODALITY_SPLITS


def taking_part(table: pa.Table, split: str, asked: Sequence[str] | None) -> list[str]:
    """The modalities of the split that occur in the mining data, or those asked for.

    Raises:
        UserError: a modality that was asked for does not occur.
    """
    present = {
        name for name, count in zip(*(table[c].to_pylist() for c in ("modality", "num_samples")), strict=True) if count
    }
    wanted = MODALITY_SPLITS[split] if asked is None else asked
    missing = [name for name in asked or () if name not in present]
    if missing:
        raise UserError(
            f"selection.modalities: {', '.join(missing)} does not occur in the mining data, which hold "
            f"{', '.join(sorted(present))}; mine a dataset that does, or drop it"
        )
    return [name for name in wanted if name in present]


def union(sets: Sequence[Set]) -> Set:
    """All neurons of the sets once, each with its best score, the best first."""
    best: dict[tuple[int, int], float] = {}
    for pairs, scores in sets:
        for (layer, neuron), score in zip(pairs.tolist(), scores.tolist(), strict=True):
            best[layer, neuron] = max(score, best.get((layer, neuron), -math.inf))
    ordered = sorted(best, key=lambda pair: (-best[pair], pair))
    return np.array(ordered, dtype=np.int64).reshape(-1, 2), np.array([best[pair] for pair in ordered])


def layer_matched(pairs: Pairs, num_neurons: int, rng: np.random.Generator) -> Pairs:
    """As many neurons in every layer as `pairs` has, drawn uniformly without replacement."""
    layers, counts = np.unique(pairs[:, 0], return_counts=True)
    draws = [
        np.stack([np.full(n, layer), np.sort(rng.choice(num_neurons, n, replace=False))], axis=1)
        for layer, n in zip(layers, counts, strict=True)
    ]
    return np.concatenate(draws) if draws else pairs[:0]


def rows(
    set_name: str, kind: str, control_of: str, draw: int, modality: str, pairs: Pairs, scores: np.ndarray | None
) -> pa.Table:
    """One set as rows of the neurons table."""
    count = len(pairs)
    return pa.table(
        {
            "set_name": [set_name] * count,
            "kind": [kind] * count,
            "control_of": [control_of] * count,
            "control_draw": np.full(count, draw, dtype=np.int32),
            "modality": [modality] * count,
            "layer": pairs[:, 0].astype(np.int16),
            "neuron": pairs[:, 1].astype(np.int32),
            "score": np.full(count, np.nan) if scores is None else scores,
            "rank": np.full(count, -1, np.int32) if scores is None else np.arange(count, dtype=np.int32),
        },
        schema=SCHEMAS["neurons"],  # or an empty set would have columns without a type
    )


def with_controls(sets: dict[str, Set], num_neurons: int, num_draws: int, seed: int) -> pa.Table:
    """Every set with its controls; each control has a stream of random numbers of its own."""
    parts = []
    for name, (pairs, scores) in sets.items():
        parts.append(rows(name, "method", "", -1, name, pairs, scores))
        for draw in range(num_draws):
            rng = np.random.default_rng([seed, crc32(name.encode()), draw])
            control = layer_matched(pairs, num_neurons, rng)
            parts.append(rows(f"{name}_random_{draw:02d}", "control", name, draw, name, control, None))
    return pa.concat_tables(parts)


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Select from an importance table and write the neurons table."""
    table = read_table(cfg.io.importance, "importance")
    selection = cfg.selection
    modalities = taking_part(table, selection.modality_split, selection.modalities)
    plugin = import_module(f"lode.selection.{selection.plugin}")
    sets = plugin.select_neurons(table, modalities, selection.ratio, cfg.seed, **selection.options)
    sets["all"] = union(list(sets.values()))
    num_neurons = 1 + int(np.max(table["neuron"].to_numpy()))
    num_total = num_neurons * (1 + int(np.max(table["layer"].to_numpy())))
    if not len(sets["all"][0]):
        raise UserError(
            f"ratio {selection.ratio} of {num_total} neurons selects none in {len(modalities)} modalities; "
            "take a larger ratio"
        )
    counts = {
        "num_asked": num_asked(selection.ratio, num_total),
        "num_total": num_total,
        "num_unique": {name: len(np.unique(pairs, axis=0)) for name, (pairs, _) in sets.items()},
    }
    chosen = with_controls(sets, num_neurons, cfg.controls.num_draws, cfg.seed)
    write_table(cfg.io.output, "neurons", {c: chosen[c] for c in chosen.column_names}, {**made_by, **counts})
