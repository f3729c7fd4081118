"""Does cutting the edges between two groups of tokens cost more than cutting as many random edges of the same queries?

Of a pair, ``delta`` is the mean over samples of the log-likelihood with the edges cut less that with nothing cut; of a
control the same over the same samples, draw by draw. A control is one rule for all samples, as a group is: draws of
other tokens in each sample would be averaged away, and any group would stand outside them.

Two ranks: more lost than under every draw, or less than under every one, which is a result as well: those edges are
spared. Each holds by chance in 1 of 1 + R rows where the group's tokens are like any others. Over the pairs of a
benchmark the first is corrected from the controls themselves (`report_p_values`), as Holm's correction of ranks among
20 could never call one of seven. Draws that are more than half the pair itself tell nothing: on average, and where they
alone lose as much as the pair does, which then cannot be told from its place. Nor does a rank where
neither the pair nor any draw loses `SMALLEST`, which is asked of both alike, so that leaving such pairs out keeps the
ranks exact. Of fewer than `FEWEST_CLUSTERS` nothing is said: what holds for a few samples may be theirs alone. Source:
docs/methods.md 7.5, 4.7, 4.10.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped

from lode.control import MOST_SHARED
from lode.statistics.intervals import LEVEL, mean_intervals
from lode.statistics.shift import LARGEST_P
from lode.statistics.significance import rank_p_value, report_p_values

BEYOND, BELOW, WITHIN = "beyond_controls", "below_controls", "within_controls"
OVERLAPPING = "overlapping_controls"
UNMATCHABLE, TOO_FEW, NO_CONTROLS = "unmatchable", "too_few_controls", "no_controls"
NOTHING, TOO_FEW_CLUSTERS = "nothing_lost", "too_few_clusters"
#: A mean over fewer clusters of samples has no verdict.
FEWEST_CLUSTERS = 5
#: The least that counts as lost, or as spared [nats].
SMALLEST = 0.01
#: Spreads of controls below it hardly count in the correction [nats].
FUDGE = 0.01


def interval(
    deltas: Float[np.ndarray, " sample"], clusters: Shaped[np.ndarray, " sample"]
) -> tuple[float | None, float | None]:
    """The 95 % interval of a mean over samples; None where there is one cluster only."""
    if len(np.unique(clusters)) < 2:
        return None, None
    low, high = mean_intervals(deltas[None], clusters, LEVEL)
    return float(low[0]), float(high[0])


def verdict(delta: float, controls: Sequence[float], shared: Sequence[float], num_clusters: int) -> str:
    """What is said of a delta beside those of its controls, by itself.

    Args:
        delta: of the pair; below 0, something is lost.
        controls: of each draw.
        shared: of the edges of each draw, the share that the pair itself has.
        num_clusters: of the samples.
    """
    if num_clusters < FEWEST_CLUSTERS:
        return TOO_FEW_CLUSTERS
    if not controls:
        return NO_CONTROLS
    if np.mean(shared) > MOST_SHARED:
        return UNMATCHABLE
    if not at_stake(delta, controls):
        return NOTHING
    smallest = 1 / (1 + len(controls))
    if smallest >= LARGEST_P:
        return TOO_FEW
    if rank_p_value(-delta, [-control for control in controls]) < smallest * 1.001:
        return BEYOND
    if delta - max(controls) >= SMALLEST:
        return BELOW
    apart = [control for control, share in zip(controls, shared, strict=True) if share <= MOST_SHARED]
    return OVERLAPPING if apart and delta < min(apart) else WITHIN


def at_stake(delta: float, controls: Sequence[float]) -> bool:
    """Whether the pair, or any of its controls, loses `SMALLEST`."""
    return bool(min(delta, *controls) <= -SMALLEST)


def corrected(deltas: Sequence[float], controls: Sequence[Sequence[float]]) -> list[float]:
    """P-values of what is lost, for the best of several pairs; none where there are no pairs.

    Args:
        deltas: of each pair.
        controls: of each pair, in the order of draws.
    """
    if not deltas:
        return []
    losses = [[-control for control in of] for of in controls]
    found = report_p_values([-delta for delta in deltas], losses, FUDGE)
    return [max(float(p), rank_p_value(-d, of)) for p, d, of in zip(found, deltas, losses, strict=True)]
