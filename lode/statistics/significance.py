"""P-values: rank among controls, alone and over a whole report; McNemar's test of binary scores; Holm's correction.

Source: docs/methods.md 4.7 and 4.10.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import binomtest

#: Two drops closer than this are equal: rounding is about 1e-16, while shares of n samples differ by 1 / n or more.
TIE = 1e-9


def rank_p_value(drop: float, control_drops: Sequence[float] | Float[np.ndarray, " control"]) -> float:
    """The share of equally good draws that do at least as much harm: (1 + #(control >= drop)) / (1 + #controls).

    One-sided (harm counts), exact for exchangeable draws (Phipson & Smyth 2010), never below 1 / (1 + #controls), and
    1 without controls. Drops within `TIE` of each other are equal, so rounding cannot turn a tie into a win.

    Args:
        drop: what the method's set costs.
        control_drops: what each matched random draw costs, in the same unit.
    """
    at_least = int(np.count_nonzero(np.asarray(control_drops, dtype=np.float64) >= drop - TIE))
    return (1 + at_least) / (1 + len(control_drops))


def report_p_values(
    effects: Sequence[float], controls: Sequence[Sequence[float] | Float[np.ndarray, " control"]], fudge: float = 0.0
) -> Float[np.ndarray, " test"]:
    """P-values after correction over all sets of a report, from the controls themselves (single-step max-T).

    Each set's effect and its R controls are put in units of their common mean and spread,
    z = (value - mean) / sqrt(spread^2 + fudge^2) (the effect is among the R + 1 values, or it would look larger than a
    control just for being left out). M_r is the largest z over all sets at draw r, and p = (1 + #(M_r >= z)) / (1 + R):
    how often does the best of as many random sets do as well?

    One value alone that differs from R equal ones has z = sqrt(R), however small it is; so without `fudge` one control
    of 0.01 anywhere in a report would hide an effect of 1. With it, a spread that is small beside it makes no large z
    (Tusher, Tibshirani & Chu 2001).

    Why this keeps the family-wise error. Where a set is no better than a random one, its effect and its controls are
    exchangeable, and so are their z, since the units treat all R + 1 alike, whatever the distribution. Where all sets
    are null and independent, the rows (z of every set at draw r, the effects being draw 0) are exchangeable, so the
    largest z of the effects has any rank among the M_r equally often: some p is <= a with probability <= a. Sets that
    do matter only raise the M_r of the rest. Effects that go together (sets that overlap) while each has controls of
    its own have a smaller maximum than independent ones: conservative. The same draws for several runs are exact again,
    as long as draw r is the same set in each. (Westfall & Young 1993, section 2.3, with matched draws as resamples.)

    Unlike Holm's correction of `rank_p_value`, whose smallest p is tests / (1 + R), the smallest here is 1 / (1 + R)
    however many sets there are: 20 controls can do.

    Args:
        effects: one a set and run; the larger, the more it stands out.
        controls: of each effect, in the order of draws. Where their numbers differ, the first draws that all have.
        fudge: in the unit of the effects: spreads below it hardly count.
    """
    num_draws = min(map(len, controls), default=0)
    assert len(effects) == len(controls), "expected the controls of every effect"
    if not num_draws:
        return np.ones(len(effects))
    values = np.array([[effect, *of[:num_draws]] for effect, of in zip(effects, controls, strict=True)], dtype=float)
    spread = values.std(axis=1, keepdims=True)
    centred = values - values.mean(axis=1, keepdims=True)
    z = np.divide(centred, np.hypot(spread, fudge), out=np.zeros_like(centred), where=spread > TIE)
    largest = z[:, 1:].max(axis=0)
    return np.asarray((1 + (largest >= z[:, :1] - TIE).sum(axis=1)) / (1 + num_draws))


def is_binary(values: Float[np.ndarray, "..."]) -> bool:
    """Whether every value is 0 or 1, so that McNemar's test and the odds ratio apply."""
    return bool(np.isin(values, (0, 1)).all())


def discordant(before: Float[np.ndarray, " sample"], after: Float[np.ndarray, " sample"]) -> tuple[int, int]:
    """How many samples were lost (1 before, 0 after) and how many won (0 before, 1 after)."""
    assert is_binary(before), "binary scores only"
    assert is_binary(after), "binary scores only"
    return int(np.sum((before == 1) & (after == 0))), int(np.sum((before == 0) & (after == 1)))


def mcnemar_p_value(before: Float[np.ndarray, " sample"], after: Float[np.ndarray, " sample"]) -> float:
    """Exact two-sided McNemar test: are as many samples won as lost? The binomial test of the discordant pairs.

    1 where nothing changed. It takes samples for independent: where they share media it is too bold, and the
    interval by clusters is the one to read. Its null is *no effect*, not *no more than a random set*.

    Args:
        before: 0 or 1 for each sample, the clean model.
        after: the same samples with the set switched.
    """
    lost, won = discordant(before, after)
    return float(binomtest(lost, lost + won, 0.5).pvalue) if lost + won else 1.0


def holm(p_values: Sequence[float] | Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Holm's step-down correction (Holm 1979): p-values that keep the family-wise error at any dependence.

    The k-th smallest of m is multiplied by m - k + 1, made non-decreasing, and capped at 1.

    Args:
        p_values: of one family of tests that was declared beforehand, in any order.

    Returns:
        Adjusted p-values in the same order.
    """
    values = np.asarray(p_values, dtype=np.float64)
    assert np.all((values >= 0) & (values <= 1)), "p-values lie in [0, 1]"
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def smallest_holm_p(num_controls: int, num_tests: int) -> float:
    """The smallest p that `holm` can give a rank among controls: above 0.05, no result whatever can be significant."""
    return min(1.0, num_tests / (1 + num_controls))
