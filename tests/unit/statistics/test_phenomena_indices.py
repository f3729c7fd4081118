"""Probing and telomeres: indices by hand, against a slow version, and their levels where nothing is there."""

import numpy as np
import pytest

from lode.statistics.approach import Difference
from lode.statistics.convergence import Estimate
from lode.statistics.jackknife import pseudo_values
from lode.statistics.panel import ends
from lode.statistics.phenomena import (
    Matched,
    Reached,
    leads,
    matched,
    means,
    persistence,
    probing,
    stands_out,
    telomere,
)


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


def test_matched_draws_hold_their_level_and_find_what_is_nearer() -> None:
    """Of groups that are like the bank 5 % have p <= 0.05, but for chance; of others all."""
    p_values: dict[float, list[float]] = {0.0: [], 0.3: []}
    for more, found in p_values.items():
        for seed in range(100):
            rng = np.random.default_rng(seed)
            bank = Reached(rng.normal(0.5, 0.1, size=(200, 1)), np.arange(200))
            group = Reached(rng.normal(0.5 + more, 0.1, size=(30, 1)), np.arange(30))
            null = matched(telomere(group, bank, 200), bank, rng.integers(200, size=(99, 30)))
            found.append(null.p_values[0])
    assert np.mean(np.array(p_values[0.0]) <= 0.05) <= 0.1
    assert max(p_values[0.3]) == 0.01


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
    """Draws of words that reach less than words do may all lie below 0: to be above them is not enough."""
    index = [Estimate(value, np.zeros(2)) for value in (-0.1, 0.1, 0.1, 0.3)]
    null = Matched(np.array([-0.4, -0.4, 0.0, 0.0]), np.array([-0.2, -0.2, 0.2, 0.2]), [0.01] * 4)
    assert leads(index, null).tolist() == [False, True, False, True]


def test_the_range_of_draws_by_hand() -> None:
    """Draws of 101 equal words each, of reach 0, 1, ..., 100: their means less 50, the 6th and the 96th."""
    bank = Reached(np.arange(101.0)[:, None], np.arange(101))
    draws = np.repeat(np.arange(101)[:, None], 3, axis=1)
    null = matched([Estimate(47.5, np.zeros(2))], bank, draws)
    assert (null.low[0], null.high[0]) == (-45, 45)
    assert null.p_values == [pytest.approx(4 / 102)]


def test_an_index_stands_out_above_0_and_every_variant() -> None:
    intervals = [(None, None), (0.1, 0.3), (0.1, 0.3), (-0.1, 0.3)]
    above, below = Difference(0.2, 0.1, 0.3), Difference(0.2, -0.1, 0.5)
    assert stands_out(intervals, []).tolist() == [False, True, True, False]
    assert stands_out(intervals, [[above] * 4, [above, above, below, above]]).tolist() == [False, True, False, False]
    assert persistence(np.array([False, True, True, False])) == 2
