"""Dose and response: how the drop grows with the number of neurons switched.

A curve begins at dose 0 with a drop of 0. A set that matters more than its controls at every dose has the larger area;
one number for the curve means one test, not one for every dose. Source: docs/methods.md 4.14.
"""

import numpy as np
from jaxtyping import Float


def dose_area(
    doses: Float[np.ndarray, " dose"], drops: Float[np.ndarray, "*series dose"]
) -> Float[np.ndarray, "*series"]:
    """The mean drop over doses from 0 to the largest: area under the straight-line curve, over its width.

    Args:
        doses: different and positive, rising, in any unit.
        drops: the response at each dose; that at dose 0 is 0.

    Returns:
        In the unit of the drops, so that curves over different ranges can be compared.
    """
    assert len(doses) > 0, "a curve needs a dose"
    assert np.all(np.diff(doses, prepend=0) > 0), "doses must rise from above 0"
    zeros = np.zeros((*drops.shape[:-1], 1))
    area = np.trapezoid(np.concatenate([zeros, drops], axis=-1), np.concatenate([[0.0], doses]), axis=-1)
    return np.asarray(area / doses[-1])


def dose_slope(
    doses: Float[np.ndarray, " dose"], drops: Float[np.ndarray, "*series dose"]
) -> Float[np.ndarray, "*series"]:
    """The least-squares line through the origin: sum of dose * drop over sum of dose^2.

    Args:
        doses: at least one above 0.
        drops: the response at each dose.

    Returns:
        Drop for one unit of dose; a curve that saturates has a larger area than this line tells.
    """
    assert np.any(doses > 0), "a slope needs a dose"
    return np.asarray((drops * doses).sum(axis=-1) / np.square(doses).sum())
