"""Does a set change what happens inside the model more than its controls do, and at which layer?

A *change* is the mean over samples of a number with the set switched less the same with nothing switched: of the gold
answer's log-likelihood by the lens, of an entropy, of a share of attention. How large it is, is what is lost of the
log-likelihood (one-sided: harm counts), and its absolute value elsewhere, where neither sign is better; of the controls
the same. The rank among controls is the largest over `GROWTHS`, as of a shift (`lode/statistics/shift.py`).

Of a measure all sets, groups and layers of a benchmark are one family, corrected from the controls themselves: draw r
of the largest z over all of them (`report_p_values`), which is exact for layers that err together, as a draw has them
all. Only what the set, or one of its controls, changes by `SMALLEST` is a test, which is asked of both alike.
Source: docs/methods.md 7.7, 4.7, 4.10.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from lode.statistics.intervals import LEVEL, mean_intervals
from lode.statistics.shift import BEYOND, WITHIN, p_value
from lode.statistics.shift import verdict as shift_verdict
from lode.statistics.verdict import corrected_p_values, per_magnitude

NOTHING = "nothing_changed"
#: The least that counts as a change [nats, or share].
SMALLEST = 0.01
#: Of which a fall alone counts.
HARMED = "gold_logp"

Layers = Float[np.ndarray, " layer"]


class Change(NamedTuple):
    """Means over samples by layer; the ends of the interval are not numbers where there is one cluster only."""

    clean: Layers
    difference: Layers
    low: Layers
    high: Layers


def change_of(
    switched: Float[np.ndarray, "sample layer"],
    clean: Float[np.ndarray, "sample layer"],
    clusters: Shaped[np.ndarray, " sample"],
) -> Change:
    """What a set changes, layer by layer, on the same samples, whose clusters err together."""
    differences = switched - clean
    low = high = np.full(differences.shape[1], np.nan)
    if len(np.unique(clusters)) > 1:
        low, high = mean_intervals(differences.T, clusters, LEVEL)
    return Change(clean.mean(0), differences.mean(0), low, high)


def size_of(measure: str, difference: float) -> float:
    """How large a difference is: what is lost of `HARMED`, the absolute value of any other measure."""
    return -difference if measure == HARMED else abs(difference)


def rank(
    size: float, controls: Sequence[float], magnitudes: Sequence[float] | None, size_ratio: float | None
) -> tuple[float, str]:
    """The rank of a size among those of its controls, and what is said of it by itself.

    Args:
        size: of the set's change.
        controls: of each control's.
        magnitudes: what each of these writes over what the set writes; None: not known.
        size_ratio: the mean of that, where it is smallest; None: not known, and not held against it.
    """
    p = p_value(size, controls, magnitudes)
    said = shift_verdict(p, len(controls), size_ratio)
    return p, NOTHING if said in (BEYOND, WITHIN) and not at_stake(size, controls, magnitudes) else said


def at_stake(size: float, controls: Sequence[float], magnitudes: Sequence[float] | None) -> bool:
    """Whether the set, or one of its controls, changes something by `SMALLEST`, were they of its magnitude."""
    row = {"control_values": controls, "control_magnitudes": magnitudes}
    return max(size, float(per_magnitude(row).max())) >= SMALLEST


class Told(NamedTuple):
    """A row that may be a test: its size, those of its controls, and their magnitudes; its rank, and what is said."""

    size: float
    controls: Sequence[float]
    magnitudes: Sequence[float] | None
    p_value: float
    verdict: str


def corrected(rows: Sequence[Told]) -> list[float | None]:
    """P-values after correction over the family of one measure; None for what is no test.

    Args:
        rows: of all sets, groups and layers, one kind of control a set.
    """
    tests = [at for at, row in enumerate(rows) if row.verdict in (BEYOND, WITHIN)]
    found: list[float | None] = [None] * len(rows)
    if tests:
        asked = [
            {"selectivity": row.size, "control_values": row.controls, "control_magnitudes": row.magnitudes}
            for row in (rows[at] for at in tests)
        ]
        for at, p in zip(tests, corrected_p_values(asked), strict=True):
            found[at] = max(p, rows[at].p_value)  # of sets with more controls, the correction sees the first only
    return found
