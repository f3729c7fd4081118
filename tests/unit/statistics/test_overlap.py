"""What two sets share: by hand, against drawing at random, and p-values that hold what they say."""

import numpy as np
import pytest

from lode.neurons import Pairs, unique_pairs
from lode.statistics.overlap import num_shared, overlap

WIDTHS = {0: 4, 1: 6, 2: 5}


def drawn(rng: np.random.Generator, sizes: dict[int, int]) -> Pairs:
    """Random neurons, so many of each layer."""
    return unique_pairs(
        (layer, neuron) for layer, size in sizes.items() for neuron in rng.choice(WIDTHS[layer], size, replace=False)
    )


def test_by_hand() -> None:
    """Two of four and two of four share none, one, two of 6, 24, 6 in 36 cases: mean 1, and two or more in a sixth."""
    one, other = unique_pairs([(0, 0), (0, 1)]), unique_pairs([(0, 0), (0, 1)])
    found = overlap(one, other, WIDTHS)
    assert found.num_shared == 2
    assert found.expected == pytest.approx(1.0)
    assert found.p_value == pytest.approx(1 / 6)


def test_other_layers_share_nothing() -> None:
    found = overlap(unique_pairs([(0, 1)]), unique_pairs([(1, 1)]), WIDTHS)
    assert found == (0, 0.0, 1.0)
    assert overlap(unique_pairs([]), unique_pairs([(1, 1)]), WIDTHS) == (0, 0.0, 1.0)


def test_against_drawing_at_random() -> None:
    rng = np.random.default_rng(0)
    sizes, others = {0: 2, 1: 3, 2: 1}, {0: 1, 1: 4, 2: 2}
    shared = np.array([num_shared(drawn(rng, sizes), drawn(rng, others)) for _ in range(4000)])
    one, other = drawn(rng, sizes), drawn(rng, others)
    found = overlap(one, other, WIDTHS)
    assert found.expected == pytest.approx(shared.mean(), abs=0.06)
    assert found.p_value == pytest.approx((shared >= found.num_shared).mean(), abs=0.03)


def test_random_sets_are_called_alike_as_often_as_the_p_value_says() -> None:
    rng = np.random.default_rng(1)
    sizes = {0: 2, 1: 3, 2: 2}
    found = np.array([overlap(drawn(rng, sizes), drawn(rng, sizes), WIDTHS).p_value for _ in range(2000)])
    for level in (0.05, 0.2, 0.5):
        assert (found <= level).mean() <= level + 0.02
    assert found.max() <= 1
