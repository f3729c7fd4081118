"""Simulations of convergence: how often it is claimed where there is none, and found where there is."""

import numpy as np

from lode.statistics.approach import CONVERGE, DIVERGE, Approach, able_of, approach, difference, says
from lode.statistics.convergence import PANEL, Cloud, Estimate
from lode.statistics.label_nulls import panel_nulls, permuted_labels

NUM_STUDIES = 100


def layers(seed: int, distances: list[float]) -> list[Cloud]:
    """Tokens of two groups at several layers, at these distances; what is particular of a token stays over layers."""
    rng = np.random.default_rng(seed)
    clusters, second = np.repeat(np.arange(24), 2), np.tile([False, True], 24)
    own = rng.normal(size=(48, 6)) + 0.5 * rng.normal(size=(24, 6))[clusters]
    found = []
    for apart in distances:
        states = own + 0.5 * rng.normal(size=own.shape) + 1
        states[second, 0] += apart
        found.append(Cloud(states, second, clusters, rng.integers(20, size=48)))
    return found


def panel(clouds: list[Cloud]) -> dict[str, list[Estimate]]:
    return {name: [measure(cloud) for cloud in clouds] for name, measure in PANEL.items()}


def verdict(clouds: list[Cloud], *variants: list[Cloud]) -> Approach:
    """Of what can move, as it is and under variants."""
    found = panel(clouds)
    return approach(found, able_of([found, *map(panel, variants)]))


def test_groups_that_stay_apart_are_seldom_called_to_converge() -> None:
    verdicts = [verdict(layers(seed, [2.0, 2.0])).verdict for seed in range(NUM_STUDIES)]
    assert np.mean([verdict in (CONVERGE, DIVERGE) for verdict in verdicts]) <= 0.05


def test_the_interval_of_each_measure_holds_its_level() -> None:
    """Of differences between two layers that do not differ 5 % exclude 0, but for chance."""
    told = dict.fromkeys(PANEL, 0)
    for seed in range(NUM_STUDIES):
        for name, (start, here) in panel(layers(seed, [2.0, 2.0])).items():
            told[name] += bool(says(difference(here, start), name))
    assert max(told.values()) <= 0.1 * NUM_STUDIES, told


def test_groups_that_approach_are_found() -> None:
    found = [verdict(layers(seed, [4.0, 4.0, 1.0, 0.5])) for seed in range(20)]
    assert np.mean([each.verdict == CONVERGE for each in found]) >= 0.9
    assert {each.layer for each in found if each.verdict == CONVERGE} <= {2, 3}


def tagged(seed: int, distances: list[float]) -> list[Cloud]:
    """Groups that a further value tells without error at every layer, however near they come in the others."""
    noise = np.random.default_rng(500 + seed)
    return [
        cloud._replace(
            states=np.column_stack([cloud.states, cloud.second + 0.05 * noise.normal(size=len(cloud.second))])
        )
        for cloud in layers(seed, distances)
    ]


def test_groups_that_a_probe_tells_without_error_hold_the_level_and_are_found() -> None:
    """Under the null too: the probe takes no part, and three of three must agree, which costs power (0.75 from 4)."""
    stay, near = [8.0, 8.0, 8.0], [8.0, 8.0, 0.5]
    for seed in range(5):
        able = able_of([panel(tagged(seed, near)), panel(tagged(100 + seed, stay))])
        assert able == {"cosine", "energy", "neighbours"}
    told = [verdict(tagged(seed, stay), tagged(200 + seed, stay)).verdict for seed in range(NUM_STUDIES)]
    assert np.mean([each in (CONVERGE, DIVERGE) for each in told]) <= 0.05
    found = [verdict(tagged(seed, near), tagged(100 + seed, stay)) for seed in range(20)]
    assert np.mean([each == (CONVERGE, 2) for each in found]) >= 0.9


def test_permuted_labels_hold_their_level_and_find_groups() -> None:
    """Of clouds of one group 5 % are outside the 95 % point of energy, but for chance; of others, all."""
    above: dict[float, list[bool]] = {0.0: [], 3.0: []}
    for apart, found in above.items():
        for seed in range(60):
            cloud = layers(1000 + seed, [apart])[0]
            draws = panel_nulls(cloud, permuted_labels(cloud.second, cloud.clusters, 99, seed))["energy"]
            found.append(PANEL["energy"](cloud).value > np.quantile(draws, 0.95))
    assert np.mean(above[0.0]) <= 0.12
    assert np.mean(above[3.0]) == 1
