"""Three verdicts on each set of a report: specific, not shown to be, or cannot be told here, with the reason.

A set is *specific* where three things hold at once. Over all tests of the report, no more than 5 in 100 reports of
random sets alone have a set as selective as this (`report_p_values`), and the interval of its selectivity lies above 0
at the level that holds for the best of many (`simultaneous_interval`). And its own benchmarks lose something, at least
`SMALLEST` of what there was to lose: where the others gain, the difference alone would tell nothing of them.

A set has to beat its controls at every power of `GROWTHS`: as they are (0), and by the selectivity per magnitude, per
its square and its cube, where that of a control is divided by what it writes over what the set writes. A control that
writes less is no excuse then, whether effects grow in proportion to what is written or faster; the largest p counts.

Where no data could have shown it, nothing was found either: such a set is no test, and is not counted as one. So is a
set without controls that match (`why_unmatched`), unless it costs its own benchmarks less than `SMALLEST`, or more than
others by less than that, which no control could make specific; and one where neither it nor any of its controls has a
selectivity of `SMALLEST`. The intervals are for the best of all matched sets, whether anything is at stake in them or
not; the p-values are over those at stake. The rules in full: docs/methods.md 4.12.

An effect that one or two neurons of a set carry is not told from chance: a control draws as many of each block of eight
as the set has, so an eighth of controls or more hold such a neuron, and the effect with it.

Simulated (tests/unit/statistics/test_null_reports.py: 5 benchmarks of 80 samples, 20 controls, 4 sets in 18
selections): of 200 null reports 2 % name a set, 5 % under heavy tails, 2.5 % where every other selection has the same
sets. A set that loses 0.2 more on its own benchmarks is found in 33 % of such reports; in 83 % of reports of one
selection (4 tests), in 94 % with 40 controls. Where a few random sets cost nearly everything (a Pareto tail without a
variance), little can be found: a loss of 0.5 in 50 % of reports of one selection, in 3 % of 18.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from lode.control import FEWEST_DIFFERENT, MOST_SHARED, UNMATCHABLE
from lode.statistics.intervals import simultaneous_interval
from lode.statistics.significance import rank_p_value, report_p_values

Row = Mapping[str, Any]

SPECIFIC = "specific"
NOT_SPECIFIC = "not_specific"
CANNOT_BE_TOLD = "cannot_be_told"
#: The least that a specific set costs its own benchmarks, as a share of what there was to lose.
SMALLEST = 0.01
#: Powers of the magnitude that effects may grow with. Every one gives exact p-values where selection is blind.
GROWTHS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Verdict:
    """What a report says of one set in one run.

    Attributes:
        row: of the selectivity table: which set, in which run, and its selectivity.
        verdict: `specific`, `not_specific` or `cannot_be_told`.
        reason: in words, why.
        p_value: rank of the selectivity among its controls, the largest over `GROWTHS`; None for what is no test, as
            all below.
        p_corrected: after correction over all tests at stake.
        num_at_stake: how many tests that is, over all runs and models of the report.
        num_tests: how many sets of the report have matched controls; the interval is for the best of that many.
        simultaneous_low: lower end of the interval that holds for the best of that many.
        simultaneous_high: its upper end.
    """

    row: Row
    verdict: str
    reason: str
    p_value: float | None
    p_corrected: float | None
    num_at_stake: int
    num_tests: int
    simultaneous_low: float | None
    simultaneous_high: float | None


def why_untold(row: Row, level: float = 0.05) -> str | None:
    """Why nothing that this run could have measured would tell whether the set is specific; None where it would.

    Args:
        row: of the selectivity table.
        level: the largest p that counts.
    """
    if not row["num_neurons"]:
        return "the selector chose no neuron for it"
    if not row["own"] or not row["others"]:
        return "no benchmark without it" if row["own"] else "no benchmark of its own"
    unmeasurable = set(row["unmeasurable"])
    for names in (row["own"], row["others"]):
        if unmeasurable.issuperset(names):
            return f"clean model not above chance on {', '.join(names)}"
    if not row["num_controls"]:
        return "no controls were drawn"
    smallest = 1 / (1 + row["num_controls"])
    if smallest >= level:
        needed = int(1 / level + 1e-9)
        return f"{row['num_controls']} controls: no p below {smallest:.2f} can come out, {needed} or more are needed"
    return None if min(row["share_own"], row["selectivity"]) < SMALLEST else why_unmatched(row)


def why_unmatched(row: Row) -> str | None:
    """Why the controls of a set are none: they write less, are mostly itself, or repeat; None where they do."""
    if row["magnitude_ratio"] is not None and row["magnitude_ratio"] < UNMATCHABLE:
        return f"unmatchable: its controls reach only {row['magnitude_ratio']:.2f} of what the set writes"
    if row["shared_frac"] is not None and row["shared_frac"] > MOST_SHARED:
        return f"its controls share {row['shared_frac']:.2f} of their neurons with it: too few others are as large"
    if row["num_different"] is not None and row["num_different"] < FEWEST_DIFFERENT:
        return (
            f"of its {row['num_controls']} controls only {row['num_different']} differ, {FEWEST_DIFFERENT} are needed"
        )
    return None


def per_magnitude(row: Row) -> Float[np.ndarray, "growth control"]:
    """The selectivity of each control if it wrote as much as the set does and effects grew as a power of that."""
    values = np.asarray(row["control_values"])
    ratios = np.ones(len(values)) if row["control_magnitudes"] is None else np.asarray(row["control_magnitudes"])
    return values / np.where(ratios == 0, 1, ratios) ** np.array(GROWTHS)[:, None]


def is_test(row: Row) -> bool:
    """Whether a set that can be told is a test: its controls are matched, and it or one of them costs something.

    The set and its controls are asked alike, so that leaving others out keeps the p-values exact.
    """
    return why_unmatched(row) is None and max(row["selectivity"], float(per_magnitude(row).max())) >= SMALLEST


def judge(rows: Sequence[Row], level: float = 0.05) -> list[Verdict]:
    """A verdict on every primary row of a report: one outcome, the headline kind of control, all runs and models.

    Args:
        rows: of the selectivity tables, with the columns `model`, `selection`, `intervention`, `set_name`,
            `num_neurons`, `own`, `others`, `unmeasurable` (benchmarks where the clean model is not above chance),
            `num_controls`, `num_different` (of these; None: not recorded), `magnitude_ratio`, `shared_frac`, and, where
            it can be told, `share_own`, `share_own_low`, `selectivity`, `interval_low`, `interval_high` (at 1 - level),
            `wide_low`, `wide_high` (at `WIDE_LEVEL`), `effective_clusters` (of the benchmark that has fewest),
            `control_values` (in the order of draws), and what each of these controls writes over what the set does,
            `control_magnitudes` (None: not recorded).
        level: the share of null reports that may name a set.

    Returns:
        In the order of the rows.
    """
    reasons = [why_untold(row, level) for row in rows]
    told = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    tests = list(filter(is_test, told))
    numbers = len(tests), sum(why_unmatched(row) is None for row in told)
    corrected = dict(zip(map(id, tests), corrected_p_values(tests), strict=True))
    return [
        _judged(row, reason, corrected.get(id(row)), numbers, level) for row, reason in zip(rows, reasons, strict=True)
    ]


def corrected_p_values(tests: Sequence[Row]) -> list[float]:
    """The p-value of each test after correction: the largest over `GROWTHS`."""
    effects = [row["selectivity"] for row in tests]
    of_tests = [per_magnitude(row) for row in tests]
    found = [report_p_values(effects, [of[g] for of in of_tests], SMALLEST).tolist() for g in range(len(GROWTHS))]
    return [max(of_test) for of_test in zip(*found, strict=True)]


def _judged(row: Row, reason: str | None, p_corrected: float | None, numbers: tuple[int, int], level: float) -> Verdict:
    """The verdict on a set, with the corrected p-value of a test."""
    if reason is not None:
        return Verdict(row, CANNOT_BE_TOLD, reason, None, None, *numbers, None, None)
    if p_corrected is None:
        nothing = (
            f"it costs its own benchmarks less than {SMALLEST} of what there was to lose"
            if row["share_own"] < SMALLEST
            else f"it costs its own benchmarks no more than others, or by less than {SMALLEST}"
        )
        return Verdict(row, NOT_SPECIFIC, nothing, None, None, *numbers, None, None)
    return _tested(row, p_corrected, numbers, level)


def _tested(row: Row, p_corrected: float, numbers: tuple[int, int], level: float) -> Verdict:
    """The verdict on a test."""
    low, high = simultaneous_interval(
        row["selectivity"],
        (row["interval_low"], row["interval_high"]),
        (row["wide_low"], row["wide_high"]),
        row["effective_clusters"],
        1 - level,
        numbers[1],
    )
    p_value = max(rank_p_value(row["selectivity"], values) for values in per_magnitude(row))
    p_corrected = max(p_corrected, p_value)  # of runs with more controls, the correction sees the first only
    by_chance = f"the best of all random sets does as well with p = {p_corrected:.2g}"
    if p_corrected >= level:
        verdict, reason = NOT_SPECIFIC, by_chance
    elif row["share_own_low"] <= 0 or row["share_own"] < SMALLEST:
        verdict = NOT_SPECIFIC
        found = f"share {row['share_own']:.3f}, from {row['share_own_low']:.3f} on"
        reason = f"its own benchmarks may lose nothing, or less than {SMALLEST}: {found}"
    elif low <= 0:
        verdict, reason = NOT_SPECIFIC, f"its interval [{low:.2f}, {high:.2f}] does not lie above 0"
    else:
        verdict, reason = SPECIFIC, by_chance
    return Verdict(row, verdict, reason, p_value, p_corrected, *numbers, low, high)
