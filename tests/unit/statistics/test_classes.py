"""Replies that name a class: worked by hand, beside plain counting, and against chance."""

import math
import random

import numpy as np
import pytest

from lode.statistics.classes import INVALID, best_constant, classes, kappa, uniform

NAMES = ("a", "b", "c")
#: Ten samples: of a 3 of 5 are right, one is called b and one nothing; of b 1 of 3, the others are called a; of c none.
GOLD = list("aaaaabbbcc")
SAID = ["a", "a", "a", "b", INVALID, "b", "a", "a", "a", "b"]


def test_by_hand() -> None:
    found = classes(GOLD, SAID, NAMES)
    assert found.confusion.tolist() == [[3, 1, 0, 1], [2, 1, 0, 0], [1, 1, 0, 0]]
    assert found.num_gold.tolist() == [5, 3, 2]
    assert found.num_said.tolist() == [6, 3, 0, 1]
    assert found.recall.tolist() == pytest.approx([3 / 5, 1 / 3, 0])
    assert found.precision[:2].tolist() == pytest.approx([3 / 6, 1 / 3])
    assert math.isnan(found.precision[2]), "nothing is called c"
    assert found.f1.tolist() == pytest.approx([6 / 11, 2 / 6, 0])
    assert found.macro_f1 == pytest.approx((6 / 11 + 1 / 3) / 3)
    assert found.invalid_frac == 0.1
    assert found.said_entropy == pytest.approx(-(0.6 * math.log(0.6) + 0.3 * math.log(0.3) + 0.1 * math.log(0.1)))


def test_kappa_by_hand() -> None:
    """4 of 10 are right; by chance 0.5 * 0.6 + 0.3 * 0.3 + 0.2 * 0 = 0.39."""
    assert kappa(GOLD, SAID) == pytest.approx((0.4 - 0.39) / (1 - 0.39))
    assert kappa(GOLD, GOLD) == 1
    assert kappa(["a", "b"], ["b", "a"]) == -1
    assert kappa(["a", "b"], ["a", "a"]) == 0
    assert math.isnan(kappa(["a"], ["a"]))


def test_collapse_has_no_entropy_and_no_kappa() -> None:
    found = classes(GOLD, ["a"] * 10, NAMES)
    assert found.said_entropy == 0
    assert kappa(GOLD, ["a"] * 10) == pytest.approx(0)
    assert found.recall.tolist() == [1, 0, 0]
    assert classes(GOLD, [INVALID] * 10, NAMES).invalid_frac == 1


def test_a_class_without_samples_is_no_part_of_the_macro_mean() -> None:
    found = classes(["a", "a"], ["a", "b"], NAMES)
    assert math.isnan(found.recall[1])
    assert math.isnan(found.recall[2])
    assert found.macro_f1 == pytest.approx(2 / 3)


def test_as_counted_plainly() -> None:
    rng = random.Random(5)
    for _ in range(30):
        gold = [rng.choice(NAMES) for _ in range(40)]
        said = [rng.choice([*NAMES, INVALID]) for _ in gold]
        found = classes(gold, said, NAMES)
        for i, name in enumerate(NAMES):
            hits = sum(g == s == name for g, s in zip(gold, said, strict=True))
            assert found.recall[i] == pytest.approx(hits / gold.count(name))
            assert found.precision[i] == pytest.approx(hits / said.count(name))
            assert found.f1[i] == pytest.approx(2 * hits / (gold.count(name) + said.count(name)))
        right = sum(g == s for g, s in zip(gold, said, strict=True)) / 40
        chance = sum(gold.count(name) * said.count(name) for name in NAMES) / 1600
        assert kappa(gold, said) == pytest.approx((right - chance) / (1 - chance))


def test_null_kappa_of_random_replies_is_nothing() -> None:
    """Standard deviation about 0.011 at 4,000 samples."""
    rng = random.Random(2)
    gold, said = ([rng.choice(NAMES) for _ in range(4000)] for _ in range(2))
    assert abs(kappa(gold, said)) < 0.04
    assert classes(gold, said, NAMES).said_entropy == pytest.approx(math.log(3), abs=0.01)


def test_baselines_by_hand() -> None:
    assert best_constant(GOLD, GOLD) == 0.5
    assert best_constant(GOLD, ["b", "b", "a"]) == 0.3
    assert best_constant(GOLD, ["c", "b"]) == 0.3, "of equal ones the first by name"
    assert best_constant(GOLD, ["z"]) == 0
    assert uniform([2, 4, 4]) == pytest.approx(1 / 3)


def test_a_class_without_a_name_is_an_error() -> None:
    with pytest.raises(AssertionError):
        classes(["z"], ["a"], NAMES)
    assert np.all(classes(["a"], ["a"], ("a",)).confusion == [[1, 0]])
