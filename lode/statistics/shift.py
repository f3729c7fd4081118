"""Does a set move the states of one group of tokens more than its controls do, and than those of other groups?

A *cell* is the shift of one group in one benchmark, sample by sample. A weighted sum of the means of cells is a shift
(weights 1 / number of benchmarks), or a selectivity (own group less the mean of the others). Its interval is MOVER over
`mean_intervals` of the cells, with deviations joined by the ids of clusters: the groups of one sample err together.
Source: docs/methods.md 4.17, 4.5, 4.7.

What is larger moves states more, and a selector that knows size takes the larger neurons of a block: its controls write
a little less. So the rank among controls is the largest p over `GROWTHS`, as that of a drop is
(`lode/statistics/verdict.py`). Of sets that know nothing but size 0 to 2 % are then above every one of 20 controls, and
6 to 79 % would be by their shifts alone (tests/unit/statistics/test_null_shifts.py). That is the level of one row;
which sets a report may name is corrected over all of its sets and runs (`corrected`): 5 % of null reports name one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from lode.control import UNMATCHABLE
from lode.statistics.intervals import LEVEL, Series, mean_intervals
from lode.statistics.selectivity import selectivity_intervals
from lode.statistics.significance import rank_p_value
from lode.statistics.verdict import SMALLEST, corrected_p_values, per_magnitude

BEYOND, WITHIN = "beyond_controls", "within_controls"
#: The largest p that counts.
LARGEST_P = 0.05


#: Intervals of means, as those of `lode/statistics/intervals.py`.
Intervals = Callable[..., tuple[Series, Series]]


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


def contrast(
    cells: Sequence[Cell], weights: Sequence[float], set_name: str, intervals: Intervals = mean_intervals
) -> Contrast:
    """The weighted sum of the mean shifts of a set, with its 95 % interval.

    Args:
        cells: at least one.
        weights: of each.
        set_name: whose shifts.
        intervals: of the mean of a cell: `drop_intervals` where values lie in [-1, 1].
    """
    value = contrast_value(cells, weights, set_name)
    if min(len(np.unique(cell.clusters)) for cell in cells) < 2:
        return Contrast(value, None, None)
    found = selectivity_intervals(
        [cell.values[set_name][None] for cell in cells],
        [cell.clusters for cell in cells],
        np.asarray(weights, dtype=np.float64),
        [intervals] * len(cells),
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


def p_value(value: float, controls: Sequence[float], magnitudes: Sequence[float] | None) -> float:
    """Rank of a value among its controls: as they are, and per magnitude, its square and cube; the largest p counts.

    Args:
        value: of the set.
        controls: of each of its controls of one kind.
        magnitudes: what each of these writes over what the set writes; None: not known, all as much as the set.
    """
    if not controls:
        return 1.0
    row = {"control_values": controls, "control_magnitudes": magnitudes}
    return max(rank_p_value(value, values) for values in per_magnitude(row))


def verdict(p_value: float, num_controls: int, size_ratio: float | None) -> str:
    """What is said of a value beside those of its controls, by itself: not corrected for how many are looked at.

    Args:
        p_value: its rank among them.
        num_controls: how many there are.
        size_ratio: the mean of what these write over what the set writes; None: not known, and not held against it.
    """
    if not num_controls:
        return "no_controls"
    smallest = 1 / (1 + num_controls)
    if smallest >= LARGEST_P:
        return "too_few_controls"
    if size_ratio is not None and size_ratio < UNMATCHABLE:
        return "unmatchable"
    return BEYOND if p_value < smallest * 1.001 else WITHIN


def corrected(rows: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """P-values of selectivities after correction over all sets and runs of a report (`report_p_values`).

    The family is every set that can be told, where it or one of its controls has a selectivity of `SMALLEST`: both are
    asked alike, so that leaving the others out keeps the p-values exact.

    Args:
        rows: of the tables `shift_selectivity` of all runs, one kind of control a set.

    Returns:
        In the order of the rows; None for what is no test.
    """
    tests = [
        row
        for row in rows
        if row["verdict"] in (BEYOND, WITHIN) and max(row["selectivity"], float(per_magnitude(row).max())) >= SMALLEST
    ]
    found = dict(zip(map(id, tests), corrected_p_values(tests), strict=True)) if tests else {}
    # of runs with more controls, the correction sees the first only
    return [max(found[id(row)], row["p_value"]) if id(row) in found else None for row in rows]
