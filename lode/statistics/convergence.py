"""Do the states of two groups of tokens come nearer to each other? Four measures that do not say the same.

``cosine``       of the centroids, never centred: about them two groups have -1 by construction
``energy``       (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / (2 E|X - Y|), at most 1; about 0, by chance below it, where the
                 distributions are equal
``probe``        area under the ROC curve of a linear probe, trained on other clusters: 0.5 cannot be told apart
``neighbours``   share of the nearest states that are of the other group, over what chance gives: 1 where they mix

All pairs and neighbours are of different clusters: tokens of one sample are alike, and would keep groups apart. The
estimates without one cluster are had from sums by cluster. Source: docs/methods.md 7.11; Szekely & Rizzo 2013 (energy).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.distance import cdist

from lode.statistics.jackknife import pseudo_values

Labels = Bool[np.ndarray, " token"]
Clusters = Int[np.ndarray, " token"]
#: The measures; +1: a larger value is nearer.
MEASURES = {"cosine": 1, "energy": -1, "probe": -1, "neighbours": 1}
NUM_NEIGHBOURS = 10
NUM_FOLDS = 5
#: The penalty of the probe, a token.
RIDGE = 0.1


class Cloud(NamedTuple):
    """The tokens of two groups at one layer.

    Attributes:
        states: (token, value).
        second: whether a token is of the second group.
        clusters: of each, 0 to G - 1; every number occurs.
        positions: in the prompt.
    """

    states: Float[np.ndarray, "token value"]
    second: Labels
    clusters: Clusters
    positions: Int[np.ndarray, " token"]


class Estimate(NamedTuple):
    """A measure, and what each cluster says of it."""

    value: float
    pseudo: Float[np.ndarray, " cluster"]


def by_cluster(
    matrix: Float[np.ndarray, "token token"], second: Labels, clusters: Clusters
) -> Float[np.ndarray, "2 2 cluster cluster"]:
    """Sums of a matrix of pairs by the groups and the clusters of both tokens; pairs within a cluster are left out."""
    count = int(clusters.max()) + 1
    member = np.zeros((2, count, len(second)))
    member[second.astype(int), clusters, np.arange(len(second))] = 1
    sums = np.einsum("agi,ij,bhj->abgh", member, matrix, member, optimize=True)
    sums[:, :, np.arange(count), np.arange(count)] = 0
    return sums


def totals(sums: Float[np.ndarray, "2 2 cluster cluster"]) -> Float[np.ndarray, "estimate 2 2"]:
    """Sums over all pairs of clusters, and over all without each cluster in turn."""
    every = sums.sum((2, 3))
    return np.concatenate([every[None], every - np.moveaxis(sums.sum(3) + sums.sum(2), 2, 0)])


def estimate(values: Float[np.ndarray, " estimate"]) -> Estimate:
    """From the value of all clusters, followed by those without each."""
    return Estimate(float(values[0]), pseudo_values(float(values[0]), values[1:]))


def centroid_cosine(cloud: Cloud) -> Estimate:
    """Cosine of the means of two groups, in [-1, 1]; NaN where one is empty or has no length."""
    count = int(cloud.clusters.max()) + 1
    sides: list[np.ndarray] = []
    for group in (~cloud.second, cloud.second):
        member = np.equal.outer(np.arange(count), cloud.clusters) & group
        sums = member.astype(float) @ cloud.states
        left = np.concatenate([sums.sum(0)[None], sums.sum(0) - sums])
        sides.append(left)  # a cosine is the same of sums
    lengths = np.linalg.norm(sides[0], axis=1) * np.linalg.norm(sides[1], axis=1)
    products = (sides[0] * sides[1]).sum(1)
    return estimate(np.divide(products, lengths, out=np.full_like(products, np.nan), where=lengths > 0))


def energy_of(distances: Float[np.ndarray, "*e 2 2"], pairs: Float[np.ndarray, "*e 2 2"]) -> Float[np.ndarray, "*e"]:
    """Energy distance over twice the mean distance between groups, from sums and numbers of pairs; NaN of none."""
    mean = np.divide(distances, pairs, out=np.full_like(distances, np.nan), where=pairs > 0)
    across = mean[..., 0, 1] + mean[..., 1, 0]
    return np.asarray((across - mean[..., 0, 0] - mean[..., 1, 1]) / across)


def energy_distance(cloud: Cloud) -> Estimate:
    """Unbiased energy distance in (-inf, 1]."""
    distances = cdist(cloud.states, cloud.states)
    pairs = np.ones_like(distances)
    parts = (totals(by_cluster(matrix, cloud.second, cloud.clusters)) for matrix in (distances, pairs))
    return estimate(energy_of(*parts))


def held_out_scores(
    cloud: Cloud, labels: Float[np.ndarray, "token draw"], use_states: bool = True
) -> tuple[Float[np.ndarray, "token draw"], Clusters]:
    """What a ridge probe gives every token, trained on other clusters, and in which fold; positions are taken out.

    Args:
        cloud: the tokens; at least `NUM_FOLDS` clusters.
        labels: what is to be told, a column a probe: 1 for the second group, else 0.
        use_states: else of positions alone, by their place and its square.
    """
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GroupKFold
    from sklearn.preprocessing import StandardScaler

    places = np.stack([np.ones(len(cloud.states)), cloud.positions], axis=1)
    alone = np.stack([cloud.positions, cloud.positions.astype(float) ** 2], axis=1)
    scores, folds = np.empty(labels.shape), np.empty(len(places), dtype=int)
    for fold, (train, test) in enumerate(GroupKFold(NUM_FOLDS).split(places, groups=cloud.clusters)):
        fit = np.linalg.lstsq(places[train], cloud.states[train], rcond=None)[0]
        scaler = StandardScaler()
        values = cloud.states - places @ fit if use_states else alone
        probe = Ridge(alpha=RIDGE * len(train)).fit(scaler.fit_transform(values[train]), labels[train])
        scores[test] = probe.predict(scaler.transform(values[test])).reshape(len(test), -1)
        folds[test] = fold
    return scores, folds


def area(
    scores: Float[np.ndarray, " token"], folds: Clusters, second: Labels, clusters: Clusters
) -> Float[np.ndarray, " estimate"]:
    """Area under the ROC curve over pairs of one fold and different clusters; of all clusters, and without each."""
    higher = (np.greater.outer(scores, scores) + 0.5 * np.equal.outer(scores, scores)).T  # the second scores more
    same = np.equal.outer(folds, folds).astype(float)
    won, pairs = (totals(by_cluster(matrix, second, clusters))[:, 0, 1] for matrix in (higher * same, same))
    return np.divide(won, pairs, out=np.full_like(won, np.nan), where=pairs > 0)


def probe_area(cloud: Cloud, use_states: bool = True) -> Estimate:
    """How well a linear probe tells the groups of held-out clusters apart; 0.5 not at all.

    The interval does not hold what another training set would change.
    """
    scores, folds = held_out_scores(cloud, cloud.second[:, None].astype(float), use_states)
    return estimate(area(scores[:, 0], folds, cloud.second, cloud.clusters))


class Near(NamedTuple):
    """The nearest tokens of each, the nearest first.

    Attributes:
        tokens: which they are.
        known: whether there is one; of few clusters there are not that many.
    """

    tokens: Int[np.ndarray, "token place"]
    known: Bool[np.ndarray, "token place"]


def nearest(cloud: Cloud, count: int = NUM_NEIGHBOURS) -> Near:
    """The nearest tokens of each, by Euclidean distance, among those of other clusters."""
    distances = cdist(cloud.states, cloud.states)
    distances[np.equal.outer(cloud.clusters, cloud.clusters)] = np.inf
    count = min(count, len(distances))
    found = np.argpartition(distances, count - 1, axis=1)[:, :count]
    apart = np.take_along_axis(distances, found, axis=1)
    order = np.argsort(apart, axis=1, kind="stable")
    return Near(np.take_along_axis(found, order, axis=1), np.isfinite(np.take_along_axis(apart, order, axis=1)))


def held(second: Labels, clusters: Clusters) -> Int[np.ndarray, "cluster group"]:
    """How many tokens of either group each cluster holds."""
    cells = 2 * clusters + second
    return np.bincount(cells, minlength=2 * (int(clusters.max()) + 1)).reshape(-1, 2)


def chances(
    counts: Int[np.ndarray, "cluster group"], left: Int[np.ndarray, " group"] | int = 0
) -> Float[np.ndarray, "cluster group"]:
    """Of a token of each cluster and group the share of the other group among all tokens of other clusters.

    Args:
        counts: tokens of each cluster and group.
        left: tokens of either group that are left out besides, of another cluster.
    """
    outside = counts.sum(0) - counts - left
    return share(outside[:, ::-1], outside.sum(1, keepdims=True))


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """One over the other, NaN of nothing."""
    return np.divide(part, whole, out=np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan), where=whole > 0)


def neighbour_mixing(cloud: Cloud) -> Estimate:
    """Mean over tokens of the share of neighbours in the other group, over the share of it among all it could have.

    >= 0, 1 where groups are mixed; groups should be of one size. Without a cluster the next neighbours take the places
    of those that it held.
    """
    second, clusters = cloud.second.astype(int), cloud.clusters
    counts = held(cloud.second, clusters)
    near = nearest(cloud, NUM_NEIGHBOURS + int(counts.sum(1).max()))
    other, theirs = second[near.tokens] != second[:, None], clusters[near.tokens]
    values = []
    for left in range(-1, len(counts)):  # -1: none
        able = near.known & (theirs != left)
        able &= able.cumsum(1) <= NUM_NEIGHBOURS
        chance = chances(counts, counts[left] if left >= 0 else 0)[clusters, second]
        mixed = share(share((able & other).sum(1), able.sum(1)), chance)
        values.append(mixed[clusters != left].mean())
    return estimate(np.array(values))


PANEL: dict[str, Callable[[Cloud], Estimate]] = {
    "cosine": centroid_cosine,
    "energy": energy_distance,
    "probe": probe_area,
    "neighbours": neighbour_mixing,
}
