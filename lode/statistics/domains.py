"""What sets of several groups have in common, and how far each neuron is one group's own.

docs/methods.md 4.18. No tables here: sets and probabilities in, numbers out.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lode.neurons import Pairs
from lode.selection import Scores
from lode.selection._firing import entropy


def effective_groups(firing: Float[np.ndarray, "group *axes"]) -> Float[np.ndarray, "*axes"]:
    """exp(H) in groups, H the entropy of q = p / sum p: 1 fires in one group alone, as many as there are in all alike.

    Args:
        firing: P(a > 0) on each group; NaN for a neuron that never fires.
    """
    return np.where(firing.any(0), np.exp(entropy(firing)), np.nan)


class Ownership(NamedTuple):
    """Of one set, by layer.

    Attributes:
        owned: its neurons.
        exclusive: those in no other set.
        shared: those in exactly k sets, its own among them, k = 2 ... number of sets.
        effective: the mean exp(H) of its neurons; NaN where there are none.
    """

    owned: Int[np.ndarray, "layer"]
    exclusive: Int[np.ndarray, "layer"]
    shared: Int[np.ndarray, "layer k"]
    effective: Float[np.ndarray, "layer"]


def ownership(sets: Mapping[str, Pairs], firing: Float[np.ndarray, "group layer neuron"]) -> dict[str, Ownership]:
    """How the sets of several groups share neurons, layer by layer.

    Args:
        sets: by group; a neuron that is twice in one counts once.
        firing: P(a > 0) on each group.
    """
    _, num_layers, _ = firing.shape
    held = np.zeros((len(sets), *firing.shape[1:]), dtype=bool)
    for member, pairs in zip(held, sets.values(), strict=True):
        member[tuple(pairs.T)] = True
    owners, spread = held.sum(0), effective_groups(firing)
    found = {}
    for name, member in zip(sets, held, strict=True):
        by_number = np.stack([(member & (owners == k)).sum(1) for k in range(1, len(sets) + 1)], axis=1)
        means = [_mean(spread[layer][member[layer]]) for layer in range(num_layers)]
        found[name] = Ownership(member.sum(1), by_number[:, 0], by_number[:, 1:], np.array(means))
    return found


def mean_effective_groups(pairs: Pairs, firing: Float[np.ndarray, "group layer neuron"]) -> float:
    """The mean exp(H) of the neurons of a set; NaN where there are none that fire."""
    return _mean(effective_groups(firing[:, pairs[:, 0], pairs[:, 1]]))


def _mean(values: Float[np.ndarray, "n"]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def num_as_good(real: Pairs, real_scores: Float[np.ndarray, "layer neuron"], scores: Scores) -> int:
    """How many neurons a null scores as high as the lowest of a real set; 0 where that is empty.

    Args:
        real: the set of one group.
        real_scores: by which it was chosen.
        scores: of the same group under the null, one or more (n, layer, neuron); the best of them counts.
    """
    if not len(real):
        return 0
    bar = real_scores[tuple(real.T)].min()
    best = scores.max(0)
    return int(((best >= bar) & np.isfinite(best)).sum())


def permutation_range(values: Sequence[int | float]) -> tuple[float, float]:
    """The range that 95 % of draws lie in; of few draws their smallest and largest."""
    low, high = np.nanquantile(np.asarray(values, dtype=np.float64), (0.025, 0.975), method="inverted_cdf")
    return float(low), float(high)
