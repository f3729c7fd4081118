"""Selectors: one file each. They rank neurons and choose a set for every modality.

A plug-in `lode/selection/<name>.py` has three public functions::

    check_options(**options)                                        # raises UserError on a bad option
    select_neurons(table, modalities, ratio, seed, **options)       # -> {modality: (neurons, score)}
    score_neurons(table, modalities, **options)                     # -> (modality, layer, neuron), high is good

`table` is the importance table, `modalities` those that take part and occur, `neurons` an integer array
(n, 2) of (layer, neuron) with the best first, and `score` (n) what they were ranked by. `score_neurons` says in
which order a growing ratio would choose: the n neurons selected for a modality, at any ratio, are n of its best (not
those of a random selection). A score of minus infinity is never chosen. Light imports only: plug-ins are imported
while the job graph is built.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import pyarrow as pa

from lode.errors import UserError
from lode.shapes import MODALITY_SPLITS


def num_asked(ratio: float, num_total: int) -> int:
    """K: the floor of the ratio as written times all neurons, free of binary rounding (0.29 of 100 is 29)."""
    return math.floor(Fraction(str(ratio)) * num_total)


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
