"""In which groups a neuron fires: its activation probability, and how evenly that is spread over groups."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from scipy.special import entr

from lode.engine.errors import UserError, unknown_name
from lode.selection import Scores, read, refuse_few


def read_firing(table: pa.Table, groups: Sequence[str]) -> Scores:
    """P(a > 0) over the tokens of each group."""
    tokens, positive = read(table, groups, ["num_tokens", "positive_count"])
    for group, count in zip(groups, tokens[:, 0, 0], strict=True):
        refuse_few(group, int(count), 1)
    return positive / tokens


#: Whose percentile is the bar for firing: that of all groups together, or each group's own.
BARS = ("shared", "own")


def where_fires(firing: Scores, percentile: float | None, bar: str) -> np.ndarray:
    """Which groups a neuron may be given to, a flag (group, layer, neuron); none to a neuron that never fires.

    Args:
        firing: P(a > 0).
        percentile: those above this percentile; None: the one with the highest.
        bar: one of `BARS`; without a percentile it says nothing.
    """
    if percentile is None:
        best = np.arange(len(firing))[:, None, None] == firing.argmax(0)
        return best & (firing > 0)
    return firing > np.percentile(firing, percentile, axis=None if bar == "shared" else (1, 2), keepdims=True)


def check_bar(percentile: float | None, bar: str) -> None:
    """Refuse a percentile outside [0, 100), or an unknown bar."""
    if percentile is not None and not 0 <= percentile < 100:
        raise UserError(f"percentile {percentile}: expected a number in [0, 100), or null for no filter")
    if bar not in BARS:
        raise unknown_name("bar", bar, BARS)


def entropy(firing: Float[np.ndarray, "group *axes"]) -> Float[np.ndarray, "*axes"]:
    """H in nats of the activation probabilities; 0 for a neuron that never fires.

    Args:
        firing: P(a > 0) in each group.
    """
    total = firing.sum(0)
    return entr(firing / np.where(total > 0, total, 1)).sum(0)


def effective_groups(table: pa.Table, groups: Sequence[str]) -> Float[np.ndarray, "layer neuron"]:
    """exp(H): in how many groups a neuron fires in effect, from 1, in one only, to their number, in all alike.

    NaN for a neuron that never fires, and where fewer than two groups are compared. It does not tell how strongly a
    neuron fires, and whether a difference is more than chance. Source: docs/methods.md 2.1.

    Args:
        table: the importance table of one site.
        groups: those that take part, each of which has tokens.
    """
    firing = read_firing(table, groups)
    found = np.where(firing.any(0), np.exp(entropy(firing)), np.nan)
    return found if len(groups) > 1 else np.full_like(found, np.nan)
