"""Three verdicts on each set of a report: specific, not shown to be, or cannot be told here, with the reason.

A set is *specific* where three things hold at once. Over all tests of the report, no more than 5 in 100 reports of
random sets alone have a set as selective as this (`report_p_values`), and the interval of its selectivity lies above 0
at the level that holds for the best of many (`simultaneous_interval`). And its own benchmarks lose something, at least
`SMALLEST` of what there was to lose: where the others gain, the difference alone would tell nothing of them.

A set has to beat its controls twice: as they are, and by the selectivity per magnitude, where that of a control is
divided by what it writes over what the set writes. A control that writes less is no excuse then, as far as effects grow
with what is written; the larger p counts.

Where no data could have shown it, nothing was found either: such a set is no test, and is not counted as one. So is a
set whose controls write less than `UNMATCHABLE` of it, or are mostly itself (`lode/control/magnitude_matched.py`),
unless it costs its own benchmarks less than `SMALLEST`, which no control could make specific; and one where neither it
nor any of its controls has a selectivity of `SMALLEST`: what is there is noise, which would hide what others do. The
intervals are for the best of all matched sets, whether anything is at stake in them or not. The rules in full:
docs/methods.md 4.12.

Simulated (tests/unit/test_null_reports.py: 5 benchmarks of 80 samples, 20 controls, 4 sets in 18 selections): of 200
null reports 1.5 % name a set, 4.5 % under heavy tails, 2 % where every other selection has the same sets. A set that
loses 0.2 more on its own benchmarks is found in 38 % of such reports; in 82 % of reports of one selection (4 tests), in
94 % with 40 controls. Where a few random sets cost nearly everything (a Pareto tail without a variance), little can be
found: a loss of 0.5 in 52 % of reports of one selection, in 2 % of 18.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lode.control import MOST_SHARED, UNMATCHABLE
from lode.statistics.intervals import simultaneous_interval
from lode.statistics.significance import rank_p_value, report_p_values

Row = Mapping[str, Any]

SPECIFIC = "specific"
NOT_SPECIFIC = "not_specific"
CANNOT_BE_TOLD = "cannot_be_told"
#: The least that a specific set costs its own benchmarks, as a share of what there was to lose.
SMALLEST = 0.01


@dataclass(frozen=True)
class Verdict:
    """What a report says of one set in one run.

    Attributes:
        row: of the selectivity table: which set, in which run, and its selectivity.
        verdict: `specific`, `not_specific` or `cannot_be_told`.
        reason: in words, why.
        p_value: rank of the selectivity among its controls, as they are or per magnitude; None for what is no test, as
            all below.
        p_corrected: after correction over all tests of the report.
        num_tests: how many sets of the report have matched controls, over all runs and models.
        simultaneous_low: lower end of the interval that holds for the best of that many.
        simultaneous_high: its upper end.
    """

    row: Row
    verdict: str
    reason: str
    p_value: float | None
    p_corrected: float | None
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
    return None if row["share_own"] < SMALLEST else why_unmatched(row)


def why_unmatched(row: Row) -> str | None:
    """Why the controls of a set are none: they write less than it does, or are mostly itself; None where they do."""
    if row["magnitude_ratio"] is not None and row["magnitude_ratio"] < UNMATCHABLE:
        return f"unmatchable: its controls reach only {row['magnitude_ratio']:.2f} of what the set writes"
    if row["shared_frac"] is not None and row["shared_frac"] > MOST_SHARED:
        return f"its controls share {row['shared_frac']:.2f} of their neurons with it: too few others are as large"
    return None


def per_magnitude(row: Row) -> list[float]:
    """The selectivity of each control if it wrote as much as the set does, in proportion."""
    ratios = row["control_magnitudes"] or [1.0] * len(row["control_values"])
    return [value / ratio if ratio else value for value, ratio in zip(row["control_values"], ratios, strict=True)]


def is_test(row: Row) -> bool:
    """Whether a set that can be told is a test: its controls are matched, and it or one of them costs something.

    The set and its controls are asked alike, so that leaving others out keeps the p-values exact.
    """
    values = (row["selectivity"], *row["control_values"], *per_magnitude(row))
    return why_unmatched(row) is None and max(values) >= SMALLEST


def judge(rows: Sequence[Row], level: float = 0.05) -> list[Verdict]:
    """A verdict on every primary row of a report: one outcome, the headline kind of control, all runs and models.

    Args:
        rows: of the selectivity tables, with the columns `model`, `selection`, `intervention`, `set_name`,
            `num_neurons`, `own`, `others`, `unmeasurable` (benchmarks where the clean model is not above chance),
            `num_controls`, `magnitude_ratio`, `shared_frac`, and, where it can be told, `share_own`, `share_own_low`,
            `selectivity`, `interval_low`, `interval_high` (at 1 - level), `wide_low`, `wide_high` (at `WIDE_LEVEL`),
            `num_clusters` (of the benchmark that has fewest), `control_values` (in the order of draws), and what each
            of these controls writes over what the set does, `control_magnitudes` (None: not recorded).
        level: the share of null reports that may name a set.

    Returns:
        In the order of the rows.
    """
    reasons = [why_untold(row, level) for row in rows]
    told = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    num_matched = sum(why_unmatched(row) is None for row in told)
    corrected = iter(corrected_p_values(list(filter(is_test, told))))
    return [_judged(row, reason, corrected, num_matched, level) for row, reason in zip(rows, reasons, strict=True)]


def corrected_p_values(tests: Sequence[Row]) -> list[float]:
    """The larger of two p-values of each test, both after correction: with controls as they are, and per magnitude."""
    effects = [row["selectivity"] for row in tests]
    both = [
        report_p_values(effects, [list(of(row)) for row in tests]).tolist()
        for of in (lambda row: row["control_values"], per_magnitude)
    ]
    return [max(pair) for pair in zip(*both, strict=True)]


def _judged(row: Row, reason: str | None, corrected: Iterator[float], num_tests: int, level: float) -> Verdict:
    """The verdict on a set; of a test, with the next of the corrected p-values."""
    if reason is not None:
        return Verdict(row, CANNOT_BE_TOLD, reason, None, None, num_tests, None, None)
    if not is_test(row):
        nothing = (
            f"it costs its own benchmarks less than {SMALLEST} of what there was to lose"
            if row["share_own"] < SMALLEST
            else f"neither it nor any control has a selectivity of {SMALLEST}"
        )
        return Verdict(row, NOT_SPECIFIC, nothing, None, None, num_tests, None, None)
    return _tested(row, next(corrected), num_tests, level)


def _tested(row: Row, p_corrected: float, num_tests: int, level: float) -> Verdict:
    """The verdict on a test."""
    low, high = simultaneous_interval(
        row["selectivity"],
        (row["interval_low"], row["interval_high"]),
        (row["wide_low"], row["wide_high"]),
        row["num_clusters"],
        1 - level,
        num_tests,
    )
    p_value = max(rank_p_value(row["selectivity"], values) for values in (row["control_values"], per_magnitude(row)))
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
    return Verdict(row, verdict, reason, p_value, p_corrected, num_tests, low, high)
