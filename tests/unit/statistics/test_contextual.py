"""Nearest states of words: values by hand, the slow plain way, and who is left out."""

import numpy as np
import pytest

from lode.statistics.contextual import NUM_WORDS, bank_layers, bank_of, names_any, nearest


@pytest.mark.parametrize(("layers", "found"), [(2, [1]), (3, [1, 2]), (6, [1, 2, 4, 5]), (28, [1, 2, 4, 8, 16, 27])])
def test_layers_of_a_bank(layers: int, found: list[int]) -> None:
    assert bank_layers(layers) == found


def test_nearest_by_hand() -> None:
    """Of (3, 4): cosine 0.8 with (0, 2) at layer 4, word b, and 0.6 with (5, 0) at layer 1, word a; d is its own."""
    states = np.array([[5.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
    bank = bank_of(states, np.array(["y", "y", "x"]), np.array([1, 4, 2]), ["a", "b", "d"])
    found = nearest(np.array([[3.0, 4.0]]), np.array(["x"]), bank)
    assert found.cosine.tolist() == [pytest.approx(0.8)]
    assert found.layer.tolist() == [4]
    assert sorted(found.words[0].tolist()) == [-1, 0, 1], "a word of its own cluster is none"
    assert names_any(found.words, [["b", "z"]], bank).tolist() == [True]
    assert names_any(found.words, [["d"]], bank).tolist() == [False]
    other = nearest(np.array([[3.0, 4.0]]), np.array(["z"]), bank)
    assert (other.cosine[0], other.layer[0]) == (pytest.approx(1.0), 2)


def test_a_token_of_no_length_is_near_to_nothing() -> None:
    bank = bank_of(np.eye(2), np.array(["x", "y"]), np.array([1, 1]), ["a", "b"])
    assert nearest(np.zeros((1, 2)), np.array(["z"]), bank).cosine.tolist() == [0.0]


def test_the_search_is_the_slow_plain_one() -> None:
    rng = np.random.default_rng(0)
    states, clusters = rng.normal(size=(60, 5)), rng.integers(0, 6, 60)
    layers, words = rng.integers(1, 4, 60), [f"w{at}" for at in rng.integers(0, 12, 60)]
    bank = bank_of(states, clusters, layers, words)
    asked, own = rng.normal(size=(20, 5)), rng.integers(0, 8, 20)
    found = nearest(asked, own, bank)
    for at in range(20):
        cosines = {
            entry: float(asked[at] @ states[entry] / np.linalg.norm(asked[at]) / np.linalg.norm(states[entry]))
            for entry in range(60)
            if clusters[entry] != own[at]
        }
        best = max(cosines, key=lambda entry: cosines[entry])
        assert found.cosine[at] == pytest.approx(cosines[best])
        assert found.layer[at] == layers[best]
        by_word: dict[str, float] = {}
        for entry, cosine in cosines.items():
            by_word[words[entry]] = max(cosine, by_word.get(words[entry], -2))
        top = sorted(by_word, key=lambda word: -by_word[word])[:NUM_WORDS]
        assert sorted(bank.names[found.words[at]].tolist()) == sorted(top)
