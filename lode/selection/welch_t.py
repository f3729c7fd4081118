"""Welch's t on the magnitude of the activation: one group against all others, with a false discovery rate.

With the per-sample mean of |a| over the samples of group m (mean x, variance s2, number n) and over all samples of
the other groups together (x', s2', n')::

    t[m] = (x - x') / sqrt(s2 / n + s2' / n')

Unbounded; the degrees of freedom are Welch and Satterthwaite's. Of the neurons whose one-sided p value passes
Benjamini and Hochberg's procedure over all L * N neurons at the rate `fdr`, each group gets its top floor(K / M) by
t, fewer where fewer pass. `fdr: null` takes the top without a test. Neurons without any variance have t = 0.

Source: the localizer of arXiv 2411.02280; Welch (1947); Benjamini and Hochberg (1995); docs/methods.md 2.5.
What it does not tell: the size of the difference. A sample gives one value to each group it holds, so that the two
sides are not independent, and a p value is a filter, not evidence. With many samples nearly every neuron passes.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float
from scipy.special import stdtr

from lode.engine.errors import UserError
from lode.selection import Moments, Scores, Set, need_contrast, read, read_moments, take_top

MIN_GROUPS = 2
NEEDS: dict[str, object] = {}


def check_options(fdr: float | None = 0.05) -> None:
    """Refuse a rate outside (0, 0.5)."""
    if fdr is not None and not 0 < fdr < 0.5:
        raise UserError(f"fdr {fdr}: expected a rate in (0, 0.5), such as 0.05, or null for no test")


def welch(one: Moments, other: Moments) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Welch's t and its degrees of freedom; t = 0 and 1 degree where neither side has variance."""
    parts = one.variance / one.count, other.variance / other.count
    squared = parts[0] + parts[1]
    varies = squared > 0
    safe = np.where(varies, squared, 1)
    t = np.where(varies, (one.mean - other.mean) / np.sqrt(safe), 0)
    terms = parts[0] ** 2 / (one.count - 1) + parts[1] ** 2 / (other.count - 1)
    return t, np.where(varies, safe**2 / np.where(varies, terms, 1), 1)


def discoveries(
    t: Float[np.ndarray, "*axes"], freedom: Float[np.ndarray, "*axes"], fdr: float
) -> Bool[np.ndarray, "*axes"]:
    """Which one-sided tests pass Benjamini and Hochberg's procedure over all of them.

    Args:
        t: the statistics.
        freedom: their degrees of freedom.
        fdr: the false discovery rate, below 0.5; a t <= 0 has p >= 0.5 and is not looked up.
    """
    above = t > 0
    p = stdtr(freedom[above], -t[above])
    ordered = np.sort(p)
    passed = np.flatnonzero(ordered <= fdr * np.arange(1, len(p) + 1) / t.size)
    found = np.zeros(t.shape, dtype=bool)
    if len(passed):
        found[above] = p <= ordered[passed[-1]]
    return found


def score_neurons(table: pa.Table, groups: Sequence[str], fdr: float | None = 0.05) -> Scores:
    """t of every neuron in every group; minus infinity where it does not pass the test."""
    check_options(fdr)
    need_contrast(groups)
    own = read_moments(table, groups, "abs_mean", least=2)
    total, squares = read(table, groups, ["abs_mean_sum", "abs_mean_sumsq"])
    count = own.count[:, 0, 0]
    others = Moments.of(count.sum() - count, total.sum(0) - total, squares.sum(0) - squares)
    t, freedom = welch(own, others)
    if fdr is None:
        return t
    return np.stack([np.where(discoveries(*one, fdr), one[0], -np.inf) for one in zip(t, freedom, strict=True)])


def select_neurons(
    table: pa.Table, groups: Sequence[str], ratio: float, seed: int, fdr: float | None = 0.05
) -> dict[str, Set]:
    """The plug-in entry: each group's top floor(K / M) among the discoveries."""
    return take_top(score_neurons(table, groups, fdr), groups, ratio)
