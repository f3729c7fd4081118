"""Does a set move the states of one group of tokens more than its controls do, and than those of other groups?

A *cell* is the shift of one group in one benchmark, sample by sample. A weighted sum of the means of cells is a shift
(weights 1 / number of benchmarks), or a selectivity (own group less the mean of the others). Its interval is MOVER over
`mean_intervals` of the cells, with deviations joined by the ids of clusters: the groups of one sample err together. The
rank among controls is `rank_p_value`. Source: docs/methods.md 4.17, 4.5, 4.7.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from lode.statistics.intervals import LEVEL, mean_intervals
from lode.statistics.selectivity import selectivity_intervals
from lode.statistics.significance import rank_p_value

#: Below this ratio of what controls write to what the set writes, a larger shift may be one of size alone.
UNMATCHABLE = 0.8


class Cell(NamedTuple):
    """The shifts of one group in one benchmark.

    Attributes:
        values: by set, of every sample that holds the group.
        clusters: of these samples.
    """

    values: Mapping[str, Float[np.ndarray, " sample"]]
    clusters: Shaped[np.ndarray, " sample"]


class Contrast(NamedTuple):
    """A weighted sum of means; the ends of its interval are None where a cell holds one cluster only."""

    value: float
    low: float | None
    high: float | None


def contrast(cells: Sequence[Cell], weights: Sequence[float], set_name: str) -> Contrast:
    """The weighted sum of the mean shifts of a set, with its 95 % interval.

    Args:
        cells: at least one.
        weights: of each.
        set_name: whose shifts.
    """
    value = contrast_value(cells, weights, set_name)
    if min(len(np.unique(cell.clusters)) for cell in cells) < 2:
        return Contrast(value, None, None)
    found = selectivity_intervals(
        [cell.values[set_name][None] for cell in cells],
        [cell.clusters for cell in cells],
        np.asarray(weights, dtype=np.float64),
        [mean_intervals] * len(cells),
        LEVEL,
    )
    return Contrast(value, float(found.low[0]), float(found.high[0]))


def contrast_value(cells: Sequence[Cell], weights: Sequence[float], set_name: str) -> float:
    """The weighted sum alone."""
    means = [float(cell.values[set_name].mean()) for cell in cells]
    return sum(weight * mean for weight, mean in zip(weights, means, strict=True))


def selectivity_weights(own: int, others: Sequence[int]) -> list[float]:
    """Weights of the cells of the own group, and then of those of each other group, that make a selectivity.

    Args:
        own: in how many benchmarks the own group is; at least one.
        others: the same of each other group; at least one, each in at least one.
    """
    assert own > 0, "the own group must occur"
    assert others, "a selectivity needs another group"
    of_others = [-1 / (len(others) * count) for count in others for _ in range(count)]
    return [1 / own] * own + of_others


def parallel_frac(squared_parallel: float, squared_shift: float) -> float | None:
    """Of the squared shift, the share that lies along the clean state; None where nothing moved."""
    return min(squared_parallel / squared_shift, 1.0) if squared_shift > 0 else None


def verdict(value: float, controls: Sequence[float], size_ratio: float | None) -> str:
    """What is said of a value beside those of its controls.

    Args:
        value: of the set.
        controls: of each of its controls of one kind.
        size_ratio: the mean of what these write over what the set writes; None: not known, and not held against it.
    """
    if not controls:
        return "no_controls"
    if size_ratio is not None and size_ratio < UNMATCHABLE:
        return "unmatchable"
    smallest = 1 / (1 + len(controls))
    return "beyond_controls" if rank_p_value(value, controls) < smallest * 1.001 else "within_controls"
