"""Which tokens are compared: sinks by hand, as many of one group as of the other, from the same clusters."""

import numpy as np
import pytest

from lode.statistics.taken import balanced, halves, is_enough, sinks, thinned, turns


def test_sinks_by_hand() -> None:
    """Medians 1, 10 of the groups and 1 of all at the first layer: 6 and 51 are too long, 5, and 10 of its own, not."""
    long = [1.0] * 7 + [6, 5] + [10, 51, 10, 10]
    norms = np.stack([long, np.ones(13)], axis=1)
    groups = np.array(["a"] * 9 + ["b"] * 4)
    assert np.flatnonzero(sinks(norms, groups)).tolist() == [7, 10]
    assert not sinks(norms[:, 1:], groups).any()
    assert sinks(norms[:, ::-1], groups).sum() == 2, "at whichever layer"


def test_turns_count_within_clusters() -> None:
    clusters = np.array(["x", "y", "x", "x", "y"])
    found = turns(clusters, np.random.default_rng(0))
    assert sorted(found[clusters == "x"].tolist()) == [0, 1, 2]
    assert sorted(found[clusters == "y"].tolist()) == [0, 1]


def test_tokens_come_from_the_clusters_that_the_others_have() -> None:
    """Of four tokens in each of three clusters, beside others in two of these: those two first, one after another."""
    clusters, wanted = np.repeat(["x", "y", "z"], 4), np.array(["x", "x", "y"])
    found = thinned(clusters, wanted, 3, np.random.default_rng(1))
    assert sorted(clusters[found].tolist()) == ["x", "x", "y"]
    more = thinned(clusters, wanted, 6, np.random.default_rng(1))
    assert sorted(clusters[more].tolist()) == ["x", "x", "y", "y", "z", "z"]
    assert len(set(more.tolist())) == 6


@pytest.mark.parametrize(("sizes", "most", "count"), [((3, 1), 99, 12), ((1, 3), 99, 12), ((3, 3), 10, 10)])
def test_both_sides_are_of_one_size_and_of_the_same_clusters(sizes: tuple[int, int], most: int, count: int) -> None:
    clusters = [np.repeat(np.arange(12), size) for size in sizes]
    sides = balanced(*clusters, most, 0)
    assert [len(side) for side in sides] == [count, count]
    assert all(len(set(side.tolist())) == count for side in sides)
    np.testing.assert_array_equal(*(np.sort(of[side]) for of, side in zip(clusters, sides, strict=True)))
    again = balanced(*clusters, most, 0)
    assert [side.tolist() for side in again] == [side.tolist() for side in sides]
    assert sides.first.tolist() == sorted(sides.first.tolist())


def test_halves_share_no_cluster() -> None:
    clusters = np.repeat(np.arange(9), 3)
    sides = halves(clusters, 99, 0)
    assert len(sides.first) == len(sides.second) == 12
    assert not set(clusters[sides.first]) & set(clusters[sides.second])
    assert is_enough(np.arange(20))
    assert not is_enough(np.arange(19))
    assert not is_enough(np.repeat(np.arange(9), 5))
