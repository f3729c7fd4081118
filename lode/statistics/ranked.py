"""A weighted sum of means of a set beside those of its controls: what rows of a table say of it.

The sum is of cells (`lode/statistics/shift.py`): a shift, a selectivity, a difference of drops between strata.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lode.control import headline_first, smallest_ratio
from lode.statistics.intervals import mean_intervals
from lode.statistics.shift import Cell, Intervals, contrast, contrast_value, p_value, verdict

Row = dict[str, Any]


class Ranked(NamedTuple):
    """A set and its controls of one kind, by name, in the order of draws; what these write beside it, and at least."""

    set_name: str
    num_neurons: int
    kind: str
    controls: list[str]
    magnitudes: list[float] | None
    size_ratio: float | None


def ranked_sets(keys: Sequence[Row], facts: Mapping[str, Any]) -> list[Ranked]:
    """Every set of the method with each kind of its controls, the headline kind first.

    Args:
        keys: of all sets.
        facts: the provenance of the neurons table: what each control writes over what the set writes.
    """
    found = []
    for key in (key for key in keys if key["kind"] == "method"):
        name, own = key["set_name"], [other for other in keys if other["control_of"] == key["set_name"]]
        for kind in headline_first({other["control_kind"] for other in own} or {""}):
            draws = sorted((o for o in own if o["control_kind"] == kind), key=lambda other: other["control_draw"])
            controls, like = [draw["set_name"] for draw in draws], alike(facts, kind, name, len(draws))
            sizes = like["control_magnitudes"], like["magnitude_ratio"]
            found.append(Ranked(name, key["num_neurons"], kind, controls, *sizes))
    return found


def alike(facts: Mapping[str, Any], kind: str, set_name: str, num_controls: int) -> Row:
    """How far the controls of a set resemble it and each other, from the provenance of its neurons table.

    Of a score only the controls that wrote replies have a value, the first of all. None: not recorded.
    """
    recorded = ("shared_frac", "num_different", "magnitude_ratios", "site_magnitude_ratios")
    shared, different, ratios, by_site = (facts.get(of, {}).get(kind, {}).get(set_name) for of in recorded)
    ratios = ratios and ratios[:num_controls]
    return {
        "shared_frac": shared,
        "num_different": None if different is None else min(different, num_controls),
        "control_magnitudes": ratios or None,
        "magnitude_ratio": smallest_ratio(by_site, num_controls),
    }


def compared(
    ranked: Ranked, cells: Sequence[Cell], weights: Sequence[float], intervals: Intervals = mean_intervals
) -> tuple[Row, list[float]]:
    """A weighted sum of shifts of a set beside those of its controls: what rows say of it, and the controls' own."""
    value, low, high = contrast(cells, weights, ranked.set_name, intervals)
    controls = [contrast_value(cells, weights, name) for name in ranked.controls]
    rank = p_value(value, controls, ranked.magnitudes)
    row = {
        "set_name": ranked.set_name,
        "num_neurons": ranked.num_neurons,
        "interval_low": low,
        "interval_high": high,
        "control_kind": ranked.kind,
        "num_controls": len(controls),
        "control_mean": float(np.mean(controls)) if controls else None,
        "control_max": max(controls, default=None),
        "p_value": rank,
        "size_ratio": ranked.size_ratio,
        "verdict": verdict(rank, len(controls), ranked.size_ratio),
    }
    return {"value": value, **row}, controls
