"""Selectors: one file each. They rank neurons and choose a set for every modality.

A plug-in `lode/selection/<name>.py` has two public functions::

    check_options(**options)                                        # raises UserError on a bad option
    select_neurons(table, modalities, ratio, seed, **options)       # -> {modality: (neurons, score)}

`table` is the importance table, `modalities` those that take part and occur, `neurons` an integer array
(n, 2) of (layer, neuron) with the best first, and `score` (n) what they were ranked by. Light imports
only: plug-ins are imported while the job graph is built.
"""

import math
from fractions import Fraction


def num_asked(ratio: float, num_total: int) -> int:
    """K: the floor of the ratio as written times all neurons, free of binary rounding (0.29 of 100 is 29)."""
    return math.floor(Fraction(str(ratio)) * num_total)
