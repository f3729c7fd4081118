"""How a number is written on the page, so that it is written in one way everywhere."""

import math
from collections.abc import Mapping
from typing import Any


def number(value: float | int | None) -> str:
    """Counts in full, all else with three decimals; a dash for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    text = f"{value:,}" if isinstance(value, int) else f"{round(value, 3) + 0.0:.3f}"
    return text.replace("-", "−")


def interval(row: Mapping[str, Any], name: str = "interval") -> str:
    """An interval in brackets, which no line break parts.

    Args:
        row: of a table, with the columns `<name>_low` and `<name>_high`.
        name: `interval` (95 %) or `simultaneous` (holds for all tests of a report).
    """
    return _brackets(row[f"{name}_low"], row[f"{name}_high"])


def share_interval(effect: Mapping[str, Any]) -> str:
    """The interval of a drop as shares of what there is to lose; the row is measurable."""
    full = effect["clean"] - effect["chance"]
    return _brackets(effect["interval_low"] / full, effect["interval_high"] / full)


def spread(effect: Mapping[str, Any]) -> str:
    """The smallest and the largest drop of a set's controls, in brackets."""
    return _brackets(effect["control_drop_min"], effect["control_drop_max"])


def _brackets(low: float, high: float) -> str:
    return f"[{number(low)},\N{NO-BREAK SPACE}{number(high)}]"
