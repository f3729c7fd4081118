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


def matched_draws(tokens: Tokens, bank: Tokens, count: int, seed: int, pool: int = 20) -> Int[np.ndarray, "draw token"]:
    """For each token one of the bank that is among its nearest in position and in how often its id occurs.

    Both are ranks over tokens and bank together, so neither has a unit.

    Args:
        tokens: to be matched.
        bank: of which are drawn.
        count: draws.
        seed: of these.
        pool: how many of the bank a token is matched to.
    """
    ids = np.concatenate([tokens.ids, bank.ids])
    _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    facts = np.stack([np.concatenate([tokens.positions, bank.positions]), counts[inverse]])
    ranks = np.stack([np.searchsorted(np.sort(fact), fact) for fact in facts]).astype(float)
    own, others = ranks[:, : len(tokens.ids)], ranks[:, len(tokens.ids) :]
    apart = np.abs(own[:, :, None] - others[:, None]).sum(0)
    near = np.argsort(apart, axis=1, kind="stable")[:, :pool]
    rng = np.random.default_rng(seed)
    picked = rng.integers(near.shape[1], size=(count, len(own[0])))
    return np.asarray(near[np.arange(len(near)), picked])


def longest_run(flags: Bool[np.ndarray, " layer"]) -> int:
    """The most layers in a row for which something holds."""
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest
