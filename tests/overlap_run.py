"""A table of overlaps on disk, as compare_models writes it: two models around one language model, sets that share some
neurons, their matched controls, and one empty set."""

from pathlib import Path
from typing import Any

import numpy as np

from lode.engine.tables import provenance, write_table
from lode.neurons import Pairs, unique_pairs
from lode.stages.compare_models import Chosen, rows_of
from lode.table.overlaps import OVERLAPS

NUM_LAYERS, WIDTH, SIZE, NUM_CONTROLS = 6, 200, 60, 20
#: Set -> how many of its neurons are the same in both models.
ALIKE = {"text": 30, "special": 6, "image": 12}


def _drawn(rng: np.random.Generator, num: int) -> list[Any]:
    """Different neurons at random."""
    return [divmod(int(place), WIDTH) for place in rng.choice(NUM_LAYERS * WIDTH, num, replace=False)]


def _set(name: str, common: list[Any], rng: np.random.Generator) -> Chosen:
    def one() -> Pairs:
        return unique_pairs(_drawn(rng, SIZE))

    own = unique_pairs([*common, *_drawn(rng, SIZE - len(common))])
    return Chosen(name, own, "layer_matched", [one() for _ in range(NUM_CONTROLS)])


def overlap_rows(seed: int = 7) -> list[dict[str, Any]]:
    """Rows of two models: one with images, one with sounds, whose set of special tokens is empty."""
    rng = np.random.default_rng(seed)
    common = {name: _drawn(rng, num) for name, num in ALIKE.items()}
    common["audio"] = common["image"]
    sets = {
        "tiny_eyes": [_set(name, common[name], rng) for name in ("text", "special", "image")],
        "tiny_ears": [_set(name, common[name], rng) for name in ("text", "audio")],
    }
    sets["tiny_ears"].append(Chosen("special", unique_pairs([]), "", []))
    weights, widths = {"weights"}, dict.fromkeys(range(NUM_LAYERS), WIDTH)
    return list(rows_of(sets, dict.fromkeys(sets, weights), dict.fromkeys(sets, widths)))


def write_overlaps(folder: Path) -> dict[str, list[str]]:
    """The table of one run, by its name."""
    path = folder / "compare_models" / "overlaps" / "miner.parquet"
    write_table(path, OVERLAPS, overlap_rows(), provenance('{"step": "compare_models"}', "code"))
    return {"overlaps": [str(path)]}
