"""How evenly a neuron fires over groups: the entropy of its activation probability, and how many groups that is."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from scipy.special import entr

from lode.selection import read_firing


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
