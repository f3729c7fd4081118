"""What the selectivity of the sets of one model comes to: which are specific, and how sure that is.

A mask counts as specific where three things hold at once: it costs more on the benchmarks of its own modality than on
the others, the interval of that difference lies above 0, and none of its matched controls does the same as strongly.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


def is_specific(row: Row) -> bool:
    """Whether the selectivity of a mask is above 0 with its interval, and above that of every control.

    Args:
        row: of a selectivity table. Without controls nothing is specific.
    """
    if row["selectivity"] is None or not row["num_controls"]:
        return False
    return bool(row["interval_low"] > 0 and row["selectivity"] > row["control_max"])


@dataclass(frozen=True)
class Verdict:
    """What all runs of one model say of one mask.

    Attributes:
        set_name: the mask.
        num_runs: selections and interventions in which its selectivity is defined.
        num_specific: those in which it is specific.
        where: the run in which it is most selective.
        row: the row of the selectivity table there.
    """

    set_name: str
    num_runs: int
    num_specific: int
    where: str
    row: Row


def verdicts(rows: Iterable[tuple[str, Row]]) -> list[Verdict]:
    """One verdict a mask that has a selectivity anywhere.

    Args:
        rows: of the selectivity tables of one model, one a mask, each with the name of its run.
    """
    found: dict[str, list[tuple[str, Row]]] = {}
    for where, row in rows:
        if row["selectivity"] is not None:
            found.setdefault(row["set_name"], []).append((where, row))
    return [_verdict(name, of_mask) for name, of_mask in found.items()]


def _verdict(name: str, rows: Sequence[tuple[str, Row]]) -> Verdict:
    where, most = max(rows, key=lambda pair: (is_specific(pair[1]), pair[1]["selectivity"]))
    return Verdict(name, len(rows), sum(is_specific(row) for _, row in rows), where, most)


def conclusion(found: Sequence[Verdict]) -> str:
    """One sentence on one model; it says so when nothing is specific."""
    if not found:
        return "No mask has both benchmarks of its own and others, so nothing can be said about specificity."
    if not any(verdict.row["num_controls"] for verdict in found):
        return "No controls were drawn, so nothing can be said about specificity."
    specific = [verdict.set_name for verdict in found if verdict.num_specific]
    never = [verdict.set_name for verdict in found if not verdict.num_specific]
    runs = max(verdict.num_runs for verdict in found)
    scope = f"in any of {runs} runs" if runs > 1 else "here"
    if not specific:
        return f"No set is specific to its modality {scope}: not {', '.join(never)}."
    kinds = "is a set" if len(specific) == 1 else "are sets"
    rest = f"; not {', '.join(never)}" if never else "; all that could be tested"
    return f"Specific to its modality {scope} {kinds} of {', '.join(specific)}{rest}."
