"""What the panel of convergence gives where tokens are of their groups by chance: labels permuted within clusters.

Each cluster keeps its numbers of tokens of either group, so what sets samples apart stays.
Source: docs/methods.md 7.11.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.distance import cdist

from lode.statistics.convergence import Cloud, Clusters, Labels, energy_of, held_out_scores, mixing, nearest

NUM_PERMUTATIONS = 999


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
    """The measures of the panel under other labels; the probe is trained again for each."""
    signs = draws.astype(float)
    near = nearest(cloud)
    return {
        "cosine": _cosines(cloud.states, signs),
        "energy": _energies(cloud, signs),
        "probe": _areas(cloud, signs),
        "neighbours": np.array([mixing(near, draw, cloud.clusters).mean() for draw in draws]),
    }


def _cosines(states: Float[np.ndarray, "token value"], signs: Float[np.ndarray, "draw token"]) -> np.ndarray:
    second, first = signs @ states, (1 - signs) @ states
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(1) / lengths)


def _between(matrix: Float[np.ndarray, "token token"], signs: Float[np.ndarray, "draw token"]) -> np.ndarray:
    """Sums of a matrix over pairs of groups: (draw, 2, 2)."""
    parts = [1 - signs, signs]
    products = [part @ matrix for part in parts]
    return np.stack([np.stack([(a * b).sum(1) for b in parts], axis=1) for a in products], axis=1)


def _energies(cloud: Cloud, signs: Float[np.ndarray, "draw token"]) -> np.ndarray:
    apart = np.not_equal.outer(cloud.clusters, cloud.clusters).astype(float)
    distances = cdist(cloud.states, cloud.states) * apart
    return energy_of(_between(distances, signs), _between(apart, signs))


def _areas(cloud: Cloud, signs: Float[np.ndarray, "draw token"]) -> np.ndarray:
    scores, folds = held_out_scores(cloud, signs.T)
    apart = np.equal.outer(folds, folds) & np.not_equal.outer(cloud.clusters, cloud.clusters)
    return np.array([_area(of, apart, sign > 0) for of, sign in zip(scores.T, signs, strict=True)])


def _area(scores: Float[np.ndarray, " token"], apart: Bool[np.ndarray, "token token"], second: Labels) -> float:
    """Area under the ROC curve over pairs that count."""
    pairs = apart[np.ix_(second, ~second)]
    ahead = np.sign(np.subtract.outer(scores[second], scores[~second]))
    return float(0.5 + (ahead * pairs).sum() / (2 * pairs.sum()))
