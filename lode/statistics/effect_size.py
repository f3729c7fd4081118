"""How large an effect is, apart from how sure it is.

A drop of a mean score is itself an effect size: for a binary score it is the *risk difference*, in points of score, and
the one to read first. Beside it:

- Cohen's d_z for any paired score: mean over standard deviation of the differences;
- the matched odds ratio for a binary score: samples lost over samples won.

None of them takes account of clusters; intervals do. Source: docs/methods.md 4.13.
"""

import math

import numpy as np
from jaxtyping import Float

from lode.statistics.significance import discordant, is_binary


def paired_cohen_d(before: Float[np.ndarray, " sample"], after: Float[np.ndarray, " sample"]) -> float | None:
    """Cohen's d_z: mean of before - after over its standard deviation (n - 1); positive where something is lost.

    Source: Cohen 1988, section 2.3.5; named d_z by Lakens (2013).

    Returns:
        None where every sample changes alike (no spread to measure by), or for a single sample.
    """
    differences = before - after
    if len(differences) < 2 or np.ptp(differences) == 0:
        return None
    return float(differences.mean() / differences.std(ddof=1))


def matched_odds_ratio(before: Float[np.ndarray, " sample"], after: Float[np.ndarray, " sample"]) -> float | None:
    """Samples lost over samples won, each plus a half (Haldane 1956, Anscombe 1956), so that it is always finite.

    Returns:
        1 where nothing or equally much changed; above 1, more is lost. None for a score that is not binary.
    """
    if not (is_binary(before) and is_binary(after)):
        return None
    lost, won = discordant(before, after)
    ratio = (lost + 0.5) / (won + 0.5)
    assert math.isfinite(ratio), "a half is added to both"
    return ratio
