"""Who owns which neuron, and how far it is one group's own: values by hand, and a slow plain version."""

import math
from collections import Counter

import numpy as np
import pytest

from lode.statistics.domains import (
    effective_groups,
    mean_effective_groups,
    num_as_good,
    ownership,
    permutation_range,
)


def test_effective_groups_by_hand() -> None:
    """The test values of MMNeuron's measure: H = .500 and exp H = 1.65; ln 5 = 1.609; a neuron that never fires."""
    firing = np.array([[0.8, 0.2, 0, 0, 0], [0.3] * 5, [0] * 5, [0, 0.4, 0, 0, 0], [0.2, 0.2, 0, 0, 0]]).T
    found = effective_groups(firing)
    assert found[0] == pytest.approx(math.exp(-0.8 * math.log(0.8) - 0.2 * math.log(0.2)))
    assert found[0] == pytest.approx(1.65, abs=0.005)
    assert math.log(found[1]) == pytest.approx(1.609, abs=0.0005)
    assert np.isnan(found[2])
    assert found[3] == pytest.approx(1)
    assert found[4] == pytest.approx(2)


def test_ownership_by_hand() -> None:
    """Three sets of two layers of three neurons; neuron (0, 1) is in two of them, (1, 0) in all three."""
    sets = {
        "a": np.array([[0, 0], [0, 1], [1, 0]]),
        "b": np.array([[0, 1], [1, 0]]),
        "c": np.array([[1, 0], [1, 0], [1, 2]]),
    }
    firing = np.ones((3, 2, 3))
    firing[1:, 0, 0] = 0
    found = ownership(sets, firing)
    assert found["a"].owned.tolist() == [2, 1]
    assert found["a"].exclusive.tolist() == [1, 0]
    assert found["a"].shared.tolist() == [[1, 0], [0, 1]]
    assert found["b"].shared.tolist() == [[1, 0], [0, 1]]
    assert found["c"].owned.tolist() == [0, 2]
    assert found["c"].exclusive.tolist() == [0, 1]
    np.testing.assert_allclose(found["a"].effective, [2, 3])  # (1 + 3) / 2, and 3
    np.testing.assert_allclose(found["c"].effective, [np.nan, 3])


def test_ownership_equals_the_plain_version() -> None:
    rng = np.random.default_rng(4)
    sets = {name: np.argwhere(rng.random((5, 30)) < 0.2) for name in "abcd"}
    firing = rng.random((4, 5, 30))
    owners = Counter(pair for pairs in sets.values() for pair in map(tuple, pairs.tolist()))
    for name, found in ownership(sets, firing).items():
        for layer in range(5):
            mine = [(at, n) for at, n in map(tuple, sets[name].tolist()) if at == layer]
            assert found.owned[layer] == len(mine)
            assert found.exclusive[layer] == sum(owners[pair] == 1 for pair in mine)
            assert found.shared[layer].tolist() == [sum(owners[p] == k for p in mine) for k in (2, 3, 4)]
            q = [firing[:, at, n] / firing[:, at, n].sum() for at, n in mine]
            spread = [math.exp(-sum(x * math.log(x) for x in of)) for of in q]
            assert found.effective[layer] == pytest.approx(np.mean(spread))


def test_an_empty_set_has_no_spread() -> None:
    nothing = np.empty((0, 2), dtype=np.int64)
    assert math.isnan(mean_effective_groups(nothing, np.ones((2, 1, 3))))
    assert num_as_good(nothing, np.ones((1, 3)), np.ones((1, 1, 3))) == 0


def test_as_good_by_hand() -> None:
    """The real set is neurons 0 and 2, the lower of which scores 3: the null has 3 and 5 as high, and no -inf."""
    real, scores = np.array([[0, 0], [0, 2]]), np.array([[4.0, 9, 3, 1]])
    assert num_as_good(real, scores, np.array([[[2.9, 3, 5, -np.inf]]])) == 2
    assert num_as_good(real, scores, np.array([[[2.9, 3, 5, -np.inf]], [[3, 0, 0, 0]]])) == 3


def test_the_range_of_draws() -> None:
    assert permutation_range(list(range(101))) == (2, 98)
    assert permutation_range([3, 1, 2]) == (1, 3)
