"""The panel of convergence: values by hand, slow versions, estimates without a cluster, verdicts."""

import ast
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lode.statistics import convergence
from lode.statistics.approach import (
    CONVERGE,
    DISAGREE,
    DIVERGE,
    UNCHANGED,
    UNTOLD,
    able_of,
    agreed,
    approach,
    first_lasting,
)
from lode.statistics.convergence import (
    PANEL,
    Cloud,
    Estimate,
    centroid_cosine,
    chances,
    energy_distance,
    held,
    held_out_scores,
    nearest,
    neighbour_mixing,
    probe_area,
)
from lode.statistics.intervals import LEVEL, mean_intervals
from lode.statistics.jackknife import jackknife_interval, pseudo_values
from lode.statistics.label_nulls import holds_both, panel_nulls, permuted_labels


def cloud_of(first: list[list[float]], second: list[list[float]]) -> Cloud:
    """Every token in a cluster of its own."""
    count = len(first) + len(second)
    return Cloud(
        np.array(first + second, dtype=float), np.arange(count) >= len(first), np.arange(count), np.arange(count)
    )


def random_cloud(seed: int, apart: float = 0.0, samples: int = 30, per_group: int = 2, width: int = 8) -> Cloud:
    """Both groups in every cluster, whose tokens share an offset; the second group moved along the first value."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(samples), 2 * per_group)
    second = np.tile(np.repeat([False, True], per_group), samples)
    states = rng.normal(size=(len(second), width)) + rng.normal(size=(samples, width))[clusters] + 1
    states[second, 0] += apart
    return Cloud(states, second, clusters, rng.integers(20, size=len(second)))


def part(cloud: Cloud, keep: np.ndarray) -> Cloud:
    """Some tokens, their clusters numbered anew."""
    clusters = np.unique(cloud.clusters[keep], return_inverse=True)[1]
    return Cloud(cloud.states[keep], cloud.second[keep], clusters, cloud.positions[keep])


def test_values_by_hand() -> None:
    """Energy of {0, 2} and {1, 3}: (2 * 1.5 - 2 - 2) / 3; centroids (1, 0) and (0.5, 1): 0.5 / sqrt(1.25)."""
    assert energy_distance(cloud_of([[0], [2]], [[1], [3]])).value == pytest.approx(-1 / 3)
    cosine = centroid_cosine(cloud_of([[2, 0], [0, 0]], [[0, 1], [1, 1]])).value
    assert cosine == pytest.approx(0.5 / np.sqrt(1.25))


def test_the_cosine_is_not_centred() -> None:
    """Two groups with one centroid have 1; less the common mean any two have -1, whatever they are."""
    cloud = random_cloud(0, 3.0)
    assert centroid_cosine(cloud).value > 0.5
    centred = cloud._replace(states=cloud.states - cloud.states.mean(0))
    assert centroid_cosine(centred).value == pytest.approx(-1)


def test_no_measure_of_the_panel_takes_a_mean_off() -> None:
    """A guard: the measure is forbidden (see the docstring), and so is a word for it in the code of the panel."""
    tree = ast.parse(Path(convergence.__file__).read_text())
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "centroid_cosine")
    taken = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr == "mean"]
    assert not taken


def test_energy_of_clusters_by_a_slow_version() -> None:
    cloud = random_cloud(1, 1.0, samples=6)
    sums, pairs = np.zeros((2, 2)), np.zeros((2, 2))
    for i, a in enumerate(cloud.states):
        for j, b in enumerate(cloud.states):
            if cloud.clusters[i] != cloud.clusters[j]:
                at = int(cloud.second[i]), int(cloud.second[j])
                sums[at] += np.sqrt(((a - b) ** 2).sum())
                pairs[at] += 1
    mean = sums / pairs
    expected = (2 * mean[0, 1] - mean[0, 0] - mean[1, 1]) / (2 * mean[0, 1])
    assert energy_distance(cloud).value == pytest.approx(expected)


def test_neighbours_by_a_slow_version() -> None:
    cloud = random_cloud(2, 1.0, samples=12)
    shares = []
    for i in range(len(cloud.states)):
        others = [j for j in range(len(cloud.states)) if cloud.clusters[j] != cloud.clusters[i]]
        near = sorted(others, key=lambda j: np.linalg.norm(cloud.states[i] - cloud.states[j]))[:10]
        share = np.mean([cloud.second[j] != cloud.second[i] for j in near])
        shares.append(share / np.mean([cloud.second[j] != cloud.second[i] for j in others]))
    assert neighbour_mixing(cloud).value == pytest.approx(np.mean(shares))


def test_the_probe_area_by_folds_of_one_cluster_a_token() -> None:
    """Where each token is a cluster, no pair is left out: the areas of scikit-learn, weighed by pairs."""
    rng = np.random.default_rng(3)
    cloud = cloud_of(rng.normal(size=(30, 4)).tolist(), rng.normal(0.7, size=(30, 4)).tolist())
    cloud = cloud._replace(positions=rng.integers(20, size=60))
    both, folds = held_out_scores(cloud, cloud.second[:, None].astype(float))
    scores = both[:, 0]
    areas, weights = [], []
    for fold in range(5):
        of = folds == fold
        areas.append(roc_auc_score(cloud.second[of], scores[of]))
        weights.append(cloud.second[of].sum() * (~cloud.second[of]).sum())
    assert probe_area(cloud).value == pytest.approx(np.average(areas, weights=weights))


@pytest.mark.parametrize("measure", [centroid_cosine, energy_distance, neighbour_mixing])
def test_estimates_without_a_cluster_are_those_of_the_rest(measure: object) -> None:
    cloud = random_cloud(4, 1.0, samples=7)
    assert callable(measure)
    found = measure(cloud)
    rest = np.array([measure(part(cloud, cloud.clusters != left)).value for left in range(7)])
    np.testing.assert_allclose(found.pseudo, pseudo_values(found.value, rest))


def test_the_jackknife_of_a_mean() -> None:
    """Pseudo-values of a mean are the values: 2, 4 and 9 have the mean 5, and without each 6.5, 5.5 and 3."""
    np.testing.assert_allclose(pseudo_values(5.0, np.array([6.5, 5.5, 3])), [2, 4, 9])
    values = np.array([2.0, 4.0, 9.0])
    ends = [float(end[0]) for end in mean_intervals(values[None], np.arange(3), LEVEL)]
    assert jackknife_interval(5.0, values) == pytest.approx(ends)
    assert jackknife_interval(1.0, values) == pytest.approx([end - 4 for end in ends])


def test_positions_are_taken_out_of_states() -> None:
    """States that are nothing but positions tell groups through these alone."""
    rng = np.random.default_rng(5)
    cloud = random_cloud(5)
    places = np.where(cloud.second, 20, 0) + rng.integers(10, size=len(cloud.second))
    states = places[:, None] * np.ones((1, 8)) + rng.normal(size=cloud.states.shape)
    cloud = cloud._replace(states=states, positions=places)
    assert probe_area(cloud, use_states=False).value > 0.99
    assert probe_area(cloud).value < 0.7


def test_moving_and_turning_both_groups_changes_distances_of_none() -> None:
    cloud = random_cloud(6, 1.0)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    moved = cloud._replace(states=cloud.states @ turn + 3)
    for measure in (energy_distance, neighbour_mixing):
        assert measure(moved).value == pytest.approx(measure(cloud).value)
    one = cloud._replace(states=cloud.states + 3 * cloud.second[:, None])
    assert energy_distance(one).value > energy_distance(cloud).value + 0.2


def test_groups_that_do_not_differ_and_groups_that_do() -> None:
    same, other = random_cloud(7), random_cloud(7, 6.0)
    assert energy_distance(same).value == pytest.approx(0, abs=0.01)
    assert probe_area(same).value == pytest.approx(0.5, abs=0.1)
    assert neighbour_mixing(same).value == pytest.approx(1, abs=0.1)
    assert energy_distance(other).value > 0.3
    assert probe_area(other).value > 0.95
    assert neighbour_mixing(other).value < 0.5


def test_neighbours_are_of_other_clusters_and_the_nearest_first() -> None:
    cloud = random_cloud(8)
    near = nearest(cloud)
    assert near.tokens.shape == (len(cloud.second), 10)
    assert near.known.all()
    assert (cloud.clusters[near.tokens] != cloud.clusters[:, None]).all()
    apart = np.linalg.norm(cloud.states[near.tokens] - cloud.states[:, None], axis=2)
    assert (np.diff(apart, axis=1) >= 0).all()


def test_of_few_clusters_there_are_fewer_neighbours() -> None:
    """Two clusters of four tokens: each has the four of the other one."""
    cloud = random_cloud(11, samples=2)
    near = nearest(cloud)
    assert (near.known.sum(1) == 4).all()
    other = cloud.second[near.tokens] != cloud.second[:, None]
    assert neighbour_mixing(cloud).value == pytest.approx((other & near.known).sum(1).mean() / 4 / 0.5)


def test_chances_by_hand() -> None:
    """Clusters of 1 + 2, 3 + 0 and 2 + 2 tokens: of those outside the first, 5 of 7 are of the first group."""
    counts = np.array([[1, 2], [3, 0], [2, 2]])
    np.testing.assert_allclose(chances(counts)[0], [2 / 7, 5 / 7])
    np.testing.assert_allclose(chances(counts, counts[1])[0], [2 / 4, 2 / 4])
    second = np.repeat([False, True, False, False, True], [1, 2, 3, 2, 2])
    np.testing.assert_array_equal(held(second, np.repeat([0, 1, 2], [3, 3, 4])), counts)


def test_permuted_labels_stay_in_their_cluster() -> None:
    cloud = random_cloud(9)
    draws = permuted_labels(cloud.second, cloud.clusters, 50, 1)
    for draw in draws:
        np.testing.assert_array_equal(np.bincount(cloud.clusters, draw), np.bincount(cloud.clusters, cloud.second))
    assert len(np.unique(draws, axis=0)) == 50
    assert holds_both(cloud.second, cloud.clusters) == 30
    assert holds_both(np.array([False, True]), np.array([0, 1])) == 0


def test_measures_under_labels_are_those_of_clouds_with_these() -> None:
    cloud = random_cloud(10, 2.0)
    draws = permuted_labels(cloud.second, cloud.clusters, 3, 2)
    nulls = panel_nulls(cloud, np.concatenate([cloud.second[None], draws]))
    for name, measure in PANEL.items():
        assert nulls[name][0] == pytest.approx(measure(cloud).value), name
    for place, draw in enumerate(draws, 1):
        for name in PANEL:
            assert nulls[name][place] == pytest.approx(PANEL[name](cloud._replace(second=draw)).value)


def panel_of(*by_layer: dict[str, float]) -> dict[str, list[Estimate]]:
    """Estimates with hardly any spread."""
    noise = np.array([-0.01, 0.0, 0.01, 0.02])
    return {
        name: [Estimate(values[name], values[name] + noise * (1 + at)) for at, values in enumerate(by_layer)]
        for name in PANEL
    }


def test_verdicts_by_hand() -> None:
    start = {"cosine": 0.2, "energy": 0.5, "probe": 1.0, "neighbours": 0.1}
    nearer = {"cosine": 0.6, "energy": 0.1, "probe": 1.0, "neighbours": 0.6}
    further = {"cosine": -0.6, "energy": 0.9, "probe": 1.0, "neighbours": 0.01}
    mixed = {"cosine": 0.6, "energy": 0.9, "probe": 1.0, "neighbours": 0.6}
    for able in (frozenset(PANEL), frozenset(PANEL) - {"probe"}):
        assert approach(panel_of(start, start, nearer, nearer), able) == (CONVERGE, 2)
        assert approach(panel_of(start, nearer, start, nearer), able) == (CONVERGE, 3)
        assert approach(panel_of(start, further), able).verdict in (DIVERGE, DISAGREE)
        assert approach(panel_of(start, nearer, mixed), able) == (DISAGREE, None)
        assert approach(panel_of(start, nearer, start), able) == (UNCHANGED, None)
    assert approach(panel_of(start, nearer), {"cosine", "energy"}) == (UNTOLD, None)


def test_a_measure_at_its_furthest_everywhere_takes_no_part() -> None:
    """A probe of 1.000 that comes to 0.995 by a narrow interval is the third vote of four, and none of three."""
    start = {"cosine": 0.2, "energy": 0.5, "probe": 1.0, "neighbours": 0.1}
    nearer = {"cosine": 0.6, "energy": 0.1, "probe": 0.995, "neighbours": 0.1}
    panel = panel_of(start, nearer)
    for name in ("probe", "neighbours"):
        spread = 1e-4 if name == "probe" else 1.0
        panel[name] = [each._replace(pseudo=each.value + spread * (each.pseudo - each.value)) for each in panel[name]]
    assert approach(panel, frozenset(PANEL)) == (CONVERGE, 1)
    able = able_of([panel, panel_of(start, start)])
    assert able == frozenset(PANEL) - {"probe"}
    assert approach(panel, able) == (DISAGREE, None)
    moved = panel_of(start, {**start, "probe": 0.9})
    assert able_of([panel, moved]) == frozenset(PANEL), "it moves under a null, so it could have"
    ends_of = {"cosine": -1.0, "energy": 0.995, "probe": 1.0, "neighbours": 0.0}
    assert able_of([panel_of(ends_of, ends_of)]) == frozenset()


def test_agreement_by_hand() -> None:
    told = np.array([[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1], [0, -1, 0, 0]])
    assert agreed(told, 1).tolist() == [False, False, False, True]
    assert first_lasting(np.array([True, False, True, True])) == 2
    assert first_lasting(np.array([True, False])) is None
