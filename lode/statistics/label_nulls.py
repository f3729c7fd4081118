"""What the panel of convergence gives where tokens are of their groups by chance: labels permuted within clusters.

Each cluster keeps its numbers of tokens of either group, so what sets samples apart stays.
Source: docs/methods.md 7.11.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.distance import cdist
from scipy.stats import rankdata

from lode.statistics.convergence import (
    Cloud,
    Clusters,
    Labels,
    chances,
    energy_of,
    held,
    held_out_scores,
    nearest,
    share,
)


def permuted_labels(second: Labels, clusters: Clusters, count: int, seed: int) -> Bool[np.ndarray, "draw token"]:
    """Labels in a random order within every cluster."""
    rng = np.random.default_rng(seed)
    order = np.argsort(clusters, kind="stable")
    found = np.empty((count, len(second)), dtype=bool)
    for draw in found:
        shuffled = np.lexsort((rng.random(len(second)), clusters))
        draw[shuffled] = second[order]
    return found


def holds_both(second: Labels, clusters: Clusters) -> int:
    """How many clusters hold tokens of both groups: only these have labels that a permutation can change."""
    return len(np.intersect1d(clusters[second], clusters[~second]))


def panel_nulls(cloud: Cloud, draws: Bool[np.ndarray, "draw token"]) -> dict[str, Float[np.ndarray, " draw"]]:
    """The measures of the panel under other labels; the probe is trained again for each.

    Args:
        cloud: the tokens.
        draws: labels under which every cluster holds as many tokens of either group as under those of the cloud.
    """
    signs = draws.astype(float)
    return {
        "cosine": _cosines(cloud.states, signs),
        "energy": _energies(cloud, signs),
        "probe": _areas(cloud, signs),
        "neighbours": _mixings(cloud, draws),
    }


def _cosines(states: Float[np.ndarray, "token value"], signs: Float[np.ndarray, "draw token"]) -> np.ndarray:
    second = signs @ states
    first = states.sum(0) - second
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.divide((first * second).sum(1), lengths, out=np.full_like(lengths, np.nan), where=lengths > 0)


def _between(matrix: Float[np.ndarray, "token token"], signs: Float[np.ndarray, "draw token"]) -> np.ndarray:
    """Sums of a symmetric matrix over pairs of groups: (draw, 2, 2)."""
    rows = signs @ matrix
    within = (rows * signs).sum(1)
    across = rows.sum(1) - within
    first = matrix.sum() - 2 * across - within
    return np.stack([np.stack([first, across], axis=1), np.stack([across, within], axis=1)], axis=1)


def _energies(cloud: Cloud, signs: Float[np.ndarray, "draw token"]) -> np.ndarray:
    apart = np.not_equal.outer(cloud.clusters, cloud.clusters).astype(float)
    distances = cdist(cloud.states, cloud.states) * apart
    pairs = _between(apart, cloud.second[None].astype(float))  # the same under all labels
    sums = _between(distances, signs)
    return energy_of(sums, np.broadcast_to(pairs, sums.shape))


def _mixings(cloud: Cloud, draws: Bool[np.ndarray, "draw token"]) -> np.ndarray:
    near = nearest(cloud)
    chance = chances(held(cloud.second, cloud.clusters))[cloud.clusters]
    found = np.empty(len(draws))
    for place, draw in enumerate(draws):
        other = (draw[near.tokens] != draw[:, None]) & near.known
        mixed = share(other.sum(1), near.known.sum(1))
        found[place] = share(mixed, np.where(draw, chance[:, 1], chance[:, 0])).mean()
    return found


def _areas(cloud: Cloud, signs: Float[np.ndarray, "draw token"]) -> np.ndarray:
    """By ranks: the pairs of one fold less those of one cluster, which is in one fold."""
    scores, folds = held_out_scores(cloud, signs.T)
    won = [_won(scores, signs.T, blocks) for blocks in (folds, cloud.clusters)]
    second, first = (np.bincount(folds, of) for of in (cloud.second, ~cloud.second))
    pairs = second @ first - held(cloud.second, cloud.clusters).prod(1).sum()
    return np.asarray((won[0] - won[1]) / pairs) if pairs else np.full(len(signs), np.nan)


def _won(
    scores: Float[np.ndarray, "token draw"], signs: Float[np.ndarray, "token draw"], blocks: Clusters
) -> np.ndarray:
    """Of every draw the pairs of a block that the second group wins, a tie half (Mann & Whitney 1947)."""
    total = np.zeros(scores.shape[1])
    for block in range(int(blocks.max()) + 1):
        of = blocks == block
        count = signs[of].sum(0)
        total += (rankdata(scores[of], axis=0) * signs[of]).sum(0) - count * (count + 1) / 2
    return total
