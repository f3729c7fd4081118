"""From which layer on two groups are nearer to each other than at the input, by the panel of four.

A measure that is within 0.01 of its furthest value at every state, of the samples as they are and under every variant,
cannot move: it takes no part (a probe that tells the groups without error whatever is shown says nothing of what is
shown, and a change of its third digit is no approach). At a layer each other measure says nearer (+1), further (-1) or
nothing (0), by the 95 % jackknife interval of its difference from the input, with its own sign of nearness
(`MEASURES`). *Converge* from the first layer from which on, to the last, three or more say nearer and none further;
*diverge* likewise; *unchanged* where none says anything at the last layer; *disagree* otherwise. Where fewer than three
can move it *cannot be told*. Source: docs/methods.md 7.11.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from lode.statistics.convergence import MEASURES, Estimate
from lode.statistics.jackknife import jackknife_interval

CONVERGE, DIVERGE, DISAGREE, UNCHANGED = "converge", "diverge", "disagree", "unchanged"
UNTOLD = "cannot_be_told"
#: How many of the four measures must agree.
ENOUGH = 3
#: What a measure is of groups that are as far apart as it can tell, and how near that is the same.
FURTHEST = {"cosine": -1.0, "energy": 1.0, "probe": 1.0, "neighbours": 0.0}
SAME = 0.01


class Approach(NamedTuple):
    """What the panel says, and from which layer on; None where it says neither way."""

    verdict: str
    layer: int | None


class Difference(NamedTuple):
    """A measure at a layer less that at the input, with its interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


def difference(here: Estimate, start: Estimate) -> Difference:
    """Of the same clusters at two layers."""
    pseudo = here.pseudo - start.pseudo
    if not np.isfinite(pseudo).all():
        return Difference(float("nan"), float("nan"), float("nan"))
    value = here.value - start.value
    return Difference(value, *jackknife_interval(value, pseudo))


def says(change: Difference, measure: str) -> int:
    """+1: nearer, -1: further, 0: cannot be told."""
    return MEASURES[measure] * (int(change.low > 0) - int(change.high < 0))


def able_of(panels: Iterable[Mapping[str, Sequence[Estimate]]]) -> frozenset[str]:
    """The measures that can move: not at their furthest value at every state of every panel.

    Args:
        panels: of one pair of groups, as it is and under every variant: by measure, its estimates at every state.
    """
    return frozenset(
        name for panel in panels for name, of in panel.items() if any(apart(each.value, name) for each in of)
    )


def apart(value: float, measure: str) -> bool:
    """Whether a value is not the furthest that there is; so is what is not a number."""
    return not abs(value - FURTHEST[measure]) <= SAME


def approach(panel: Mapping[str, Sequence[Estimate]], able: Collection[str]) -> Approach:
    """The verdict over layers.

    Args:
        panel: by measure, its estimates from the input to the last layer.
        able: the measures that can move.
    """
    if len(able) < ENOUGH:
        return Approach(UNTOLD, None)
    told = np.array(
        [[says(difference(here, of[0]), name) for here in of] for name, of in panel.items() if name in able]
    )
    for verdict, side in ((CONVERGE, 1), (DIVERGE, -1)):
        layer = first_lasting(agreed(told, side))
        if layer is not None:
            return Approach(verdict, layer)
    return Approach(DISAGREE if told[:, -1].any() else UNCHANGED, None)


def agreed(told: Int[np.ndarray, "measure layer"], side: int) -> Bool[np.ndarray, " layer"]:
    """At which layers enough measures say one side, and none the other."""
    return np.asarray(((told == side).sum(0) >= ENOUGH) & ~(told == -side).any(0))


def first_lasting(flags: Bool[np.ndarray, " layer"]) -> int | None:
    """The first layer from which on, to the last, something holds."""
    missing = np.flatnonzero(~flags)
    first = int(missing[-1]) + 1 if len(missing) else 0
    return first if first < len(flags) else None
