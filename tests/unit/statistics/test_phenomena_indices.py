"""Probing and telomeres: indices by hand, against a slow version, and their levels where nothing is there."""

import numpy as np
import pytest

from lode.statistics.approach import Difference
from lode.statistics.convergence import Estimate
from lode.statistics.jackknife import pseudo_values
from lode.statistics.panel import ends
from lode.statistics.phenomena import (
    Reached,
    Relabelled,
    beside_labels,
    labels_of,
    leads,
    means,
    persistence,
    probing,
    reached,
    stands_out,
    telomere,
)
from lode.statistics.reach import Tokens


def test_indices_by_hand() -> None:
    """Reach 0.2 and 0.4 at the input, 0.5 and 0.9 after a layer: 0.4 more; beside a bank of 0.5 and 0.6: 0.1 more."""
    group = Reached(np.array([[0.2, 0.5], [0.4, 0.9]]), np.array([0, 1]))
    bank = Reached(np.array([[0.1, 0.5], [0.1, 0.6], [0.1, 0.7]]), np.array([0, 1, 2]))
    assert [each.value for each in probing(group, 3)] == pytest.approx([0, 0.4])
    assert [each.value for each in telomere(group, bank, 3)] == pytest.approx([0.2, 0.1])


def test_means_without_a_cluster_are_those_of_the_rest() -> None:
    rng = np.random.default_rng(0)
    group = Reached(rng.normal(size=(20, 3)), rng.integers(6, size=20))
    bank = Reached(rng.normal(size=(30, 3)), rng.integers(6, size=30))
    found = telomere(group, bank, 6)
    for layer in range(3):
        rest = np.array(
            [
                group.values[group.clusters != left, layer].mean() - bank.values[bank.clusters != left, layer].mean()
                for left in range(6)
            ]
        )
        np.testing.assert_allclose(found[layer].pseudo, pseudo_values(found[layer].value, rest))
    alone = means(Reached(np.ones((2, 1)), np.array([1, 1])), 3)[:, 0]
    np.testing.assert_array_equal(alone, [1, 1, np.nan, 1])


def few_ids(seed: int, nearer: float) -> tuple[float, bool]:
    """The p of four ids among 40, of 8 samples each, alike by id; each moved to one of the others."""
    rng = np.random.default_rng(seed)
    ids = np.tile(np.arange(40), 8)
    own = rng.normal(size=(40, 6)) + 1
    states = own[ids] + 0.3 * rng.normal(size=(320, 6))
    group = ids < 4
    states[group] = (1 - nearer) * states[group] + nearer * own[ids[group] + 20]
    of = Tokens(states, np.repeat(np.arange(8), 40), ids, np.zeros(320, dtype=int))
    order = np.concatenate([np.flatnonzero(group), np.flatnonzero(~group)])
    both = Tokens(*(each[order] for each in of))
    sides = [Tokens(*(each[side] for each in of)) for side in (group, ~group)]
    first, bank = (reached([side], [sides[1]], side.clusters) for side in sides)
    index = telomere(first, bank, 8)
    labels = labels_of(sides[0].ids, sides[1].ids, 99, seed)
    assert labels is not None
    null = beside_labels(index, [both], labels)
    return null.p_values[0], index[0].value > null.high[0]


def test_labels_of_few_ids_hold_their_level_and_find_what_is_nearer() -> None:
    """Of four ids like others 5 % have p <= 0.05, but for chance: by tokens drawn one by one, some half of them."""
    found = {nearer: [few_ids(seed, nearer) for seed in range(100)] for nearer in (0.0, 0.9)}
    assert np.mean([p <= 0.05 for p, _ in found[0.0]]) <= 0.1
    assert np.mean([above for _, above in found[0.0]]) <= 0.12
    assert np.mean([p <= 0.05 for p, _ in found[0.9]]) >= 0.95


def test_too_few_ids_tell_nothing() -> None:
    """One id among 18 others: 19 ways to deal labels, no p of 0.05; among 19, 20 ways."""
    assert labels_of(np.full(30, 99), np.arange(18), 9, 0) is None
    labels = labels_of(np.full(30, -1), np.arange(19), 9, 0)
    assert labels is not None
    assert labels.units.tolist() == [0] * 30 + list(range(1, 20))
    assert labels.draws.shape == (9, 20)


def test_intervals_of_indices_hold_their_level_and_find_a_rise() -> None:
    """Of 200 groups that neither rise nor lead 5 % have an interval without 0, but for chance; of others all."""
    told: dict[float, list[list[bool]]] = {0.0: [], 0.1: []}
    for rise, found in told.items():
        for seed in range(200):
            rng = np.random.default_rng(seed)
            clusters = np.repeat(np.arange(20), 3)
            own = 0.5 + 0.05 * rng.normal(size=20)[clusters]
            values = [np.stack([own, own], axis=1) + 0.05 * rng.normal(size=(60, 2)) for _ in range(2)]
            values[0][:, 1] += rise
            group, bank = (Reached(of, clusters) for of in values)
            intervals = [ends(probing(group, 20)[1]), ends(telomere(group, bank, 20)[1])]
            found.append([low is not None and not low <= 0 <= (high or 0) for low, high in intervals])
    assert (np.mean(told[0.0], axis=0) <= 0.09).all()
    assert np.mean(told[0.1]) == 1


def test_a_telomere_lies_above_0_and_above_its_draws() -> None:
    """By its whole interval, and from state 1 on; draws that all lie below 0 are no telomere."""
    noise = 0.01 * np.array([-1.0, 0, 1, 0])
    index = [Estimate(value, value + noise * wide)
             for value, wide in ((0.3, 1), (-0.1, 1), (0.1, 1), (0.1, 1), (0.3, 1), (0.3, 100))]  # fmt: skip
    null = Relabelled(np.full(6, -0.4), np.array([0.0, -0.2, -0.2, 0.2, 0.2, 0.2]), [0.01] * 6)
    assert leads(index, null).tolist() == [False, False, True, False, True, False]


def test_an_index_stands_out_above_0_and_every_variant() -> None:
    intervals = [(None, None), (0.1, 0.3), (0.1, 0.3), (-0.1, 0.3)]
    above, below = Difference(0.2, 0.1, 0.3), Difference(0.2, -0.1, 0.5)
    assert stands_out(intervals, []).tolist() == [False, True, True, False]
    assert stands_out(intervals, [[above] * 4, [above, above, below, above]]).tolist() == [False, True, False, False]
    assert persistence(np.array([False, True, True, False])) == 2
