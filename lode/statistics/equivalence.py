"""Equivalence: is a change shown to be small? That a difference is not significant does not show it.

Equivalent is a drop of a score in [0, 1] whose whole interval lies within +-`MARGIN`, 10 points: then both one-sided
tests, of a drop of at least 0.10 and of a gain of at least 0.10, are passed at 5 % (Schuirmann 1987). As the interval
is that of the table, of 95 %, each is passed at 2.5 %, so that a true drop of exactly 0.10 is called equivalent in less
than 5 of 100 cases also where samples are few and the interval is not exact (docs/methods.md 4.17).

What it does not tell: that nothing changed; and of an interval that is too wide nothing is shown either way.
"""

import math

#: How large a change may be and still be called small: "at most 10 points" (MMNeuron, arXiv 2406.11193).
MARGIN = 0.10


def equivalent(low: float, high: float, margin: float = MARGIN) -> bool:
    """Whether an interval lies within the margin on both sides; its ends may lie on it.

    Args:
        low: the lower end of the interval of a drop.
        high: its upper end.
        margin: above 0.
    """
    assert low <= high or math.isnan(low), "an interval has its ends in order"
    return -margin <= low and high <= margin
