"""How near a state comes to tokens of a bank, of another cluster and with another token id; ours, as are its uses.

reach: the largest cosine of a token to one of the bank, in [-1, 1]. *Probing*: the mean reach of a group at a layer
less that at the input of the first. *Telomere*: the mean reach of one group less that of the bank itself; above 0 its
tokens sit nearer to the bank than the bank's own do. It does not tell why. Source: docs/methods.md 7.13.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped


class Tokens(NamedTuple):
    """States with what excludes a neighbour.

    Attributes:
        states: (token, value).
        clusters: of each.
        ids: of the tokenizer; -1 stands for a medium, and equals none.
        positions: in the prompt.
    """

    states: Float[np.ndarray, "token value"]
    clusters: Shaped[np.ndarray, " token"]
    ids: Int[np.ndarray, " token"]
    positions: Int[np.ndarray, " token"]


def reach(tokens: Tokens, bank: Tokens) -> Float[np.ndarray, " token"]:
    """The largest cosine of each to a token of the bank, of another cluster and id; NaN where the bank has none."""
    units = [part.states / np.linalg.norm(part.states, axis=1, keepdims=True) for part in (tokens, bank)]
    cosines = units[0] @ units[1].T
    same_id = np.equal.outer(tokens.ids, bank.ids) & (tokens.ids >= 0)[:, None]
    cosines[np.equal.outer(tokens.clusters, bank.clusters) | same_id] = -np.inf
    best = cosines.max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(best), best, np.nan)


def reach_of_units(tokens: Tokens, units: Int[np.ndarray, " token"]) -> Float[np.ndarray, "token unit"]:
    """The largest cosine of each token to one of every other unit, of another cluster and id; -inf where there is none.

    Args:
        tokens: those of a group and of the bank.
        units: of each, 0 to K - 1, all of which occur: tokens of one id, or those that stand for media.
    """
    unit = tokens.states / np.linalg.norm(tokens.states, axis=1, keepdims=True)
    order = np.argsort(units, kind="stable")
    cosines = unit @ unit[order].T
    same_id = np.equal.outer(tokens.ids, tokens.ids[order]) & (tokens.ids >= 0)[:, None]
    same = np.equal.outer(units, units[order]) | np.equal.outer(tokens.clusters, tokens.clusters[order])
    cosines[same | same_id] = -np.inf
    return np.asarray(np.maximum.reduceat(cosines, np.unique(units[order], return_index=True)[1], axis=1))


def drawn_labels(num_units: int, num_own: int, count: int, seed: int) -> Bool[np.ndarray, "draw unit"]:
    """Labels that are dealt anew: of each draw which units are the group, as many as it has."""
    rng = np.random.default_rng(seed)
    own = np.arange(num_units) < num_own
    return np.stack([rng.permutation(own) for _ in range(count)])


def relabelled(
    best: Float[np.ndarray, "token unit"], units: Int[np.ndarray, " token"], draws: Bool[np.ndarray, "draw unit"]
) -> Float[np.ndarray, " draw"]:
    """Of each draw the mean reach of its group less that of its bank, which are the units that it does not take.

    Args:
        best: `reach_of_units`.
        units: of the tokens.
        draws: all of as many units.
    """
    count = int(draws[0].sum()) + 1  # of so many units one at least is of the bank
    near = np.argsort(-best, axis=1, kind="stable")[:, :count]
    far = np.take_along_axis(best, near, axis=1)
    found = np.empty(len(draws))
    for place, draw in enumerate(draws):
        first = (~draw[near]).argmax(1)[:, None]
        values = np.take_along_axis(far, first, axis=1)[:, 0]
        known, own = np.isfinite(values), draw[units]
        found[place] = values[known & own].mean() - values[known & ~own].mean()
    return found


def longest_run(flags: Bool[np.ndarray, " layer"]) -> int:
    """The most layers in a row for which something holds."""
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest
