"""Equivalence: is a change shown to be small? That a difference is not significant does not show it.

Equivalent is a drop whose whole interval lies within +-`MARGIN`, 10 points: then both one-sided tests, of a drop of at
least 0.10 and of a gain of at least 0.10, are passed at 5 % (Schuirmann 1987). As the interval is that of the table, of
95 %, each is passed at 2.5 %, so that a true drop of exactly 0.10 is called equivalent in less than 5 of 100 cases also
where samples are few and the interval is not exact (docs/methods.md 4.18).

It is asked only where losing everything would be more than 10 points (`is_told`): of a score that ends at 100 points,
where the unmodified model is above chance by more than the margin. Elsewhere a drop to chance would be called small.

What it does not tell: that nothing changed; and of an interval that is too wide nothing is shown either way.
Of little more than 10 points above chance, 10 points are nearly all there is: read `share` beside it.
"""

import math

#: How large a change may be and still be called small: "at most 10 points" (MMNeuron, arXiv 2406.11193).
MARGIN = 0.10
#: The unit of scores of which 0.10 is 10 points.
IN_POINTS = "score in [0, 1]"


def is_told(unit: str, clean: float, chance: float, measurable: bool, margin: float = MARGIN) -> bool:
    """Whether a small change can be told from losing everything.

    Args:
        unit: of the score, of `lode.scoring.UNITS`.
        clean: the mean of the unmodified model.
        chance: of a guess.
        measurable: the interval of `clean` lies above chance.
        margin: above 0.
    """
    return unit == IN_POINTS and measurable and clean - chance > margin


def equivalent(low: float, high: float, margin: float = MARGIN) -> bool:
    """Whether an interval lies within the margin on both sides; its ends may lie on it.

    Args:
        low: the lower end of the interval of a drop.
        high: its upper end.
        margin: above 0.
    """
    assert low <= high or math.isnan(low), "an interval has its ends in order"
    return -margin <= low and high <= margin
