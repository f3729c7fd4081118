"""Three stages: values by hand, false alarms where the curve is flat, and a planted curve that is found."""

import numpy as np
import pytest

from lode.statistics.stages import (
    CONTRASTS,
    NO,
    UNTOLD,
    YES,
    Mean,
    against_null,
    all_of,
    claims,
    contrasts,
    first_half,
    mean_of,
    middle_layers,
)

CURVE = np.array([5, 5, 5, 3, 1, 1, 1.5])


def verdicts(entropy: np.ndarray, clusters: np.ndarray) -> dict[str, str]:
    return claims({name: mean_of(values, clusters) for name, values in contrasts(entropy, clusters).items()})


def test_a_curve_by_hand() -> None:
    """e = (5, 5, 5, 3, 1, 1, 1.5): first 0, middle (1 - 5) / 2 from state 2 to 4, last and rise 0.5."""
    found = contrasts(np.tile(CURVE, (4, 1)), np.arange(4))
    assert {name: set(values.tolist()) for name, values in found.items()} == {
        "first": {0.0},
        "middle": {-2.0},
        "last": {0.5},
        "rise": {0.5},
    }


@pytest.mark.parametrize(("layers", "ends"), [(2, (1, 2)), (3, (1, 2)), (4, (1, 3)), (6, (2, 4)), (28, (7, 21))])
def test_where_the_middle_is(layers: int, ends: tuple[int, int]) -> None:
    assert middle_layers(layers) == ends


def test_the_lowest_layer_is_that_of_the_other_half() -> None:
    """Two clusters: of the first state 1 is lowest, of the second state 2; each is measured at the other's."""
    entropy = np.array([[9.0, 1.0, 4.0, 5.0], [9.0, 7.0, 2.0, 6.0]])
    clusters = np.array(["a", "b"])
    assert sorted(contrasts(entropy, clusters)["rise"].tolist()) == [5 - 4, 6 - 7][::-1]
    assert first_half(clusters).sum() == 1


def test_samples_of_a_cluster_are_in_one_half() -> None:
    clusters = np.repeat(np.arange(9), 3)
    half = first_half(clusters)
    assert all(len(set(half[clusters == name].tolist())) == 1 for name in range(9))
    assert half.sum() == 12


def test_one_cluster_tells_nothing() -> None:
    found = verdicts(np.tile(CURVE, (3, 1)) + np.arange(3)[:, None], np.zeros(3))
    assert set(found.values()) == {UNTOLD}
    assert all_of(list(found.values())) == UNTOLD
    assert all_of([YES, NO, UNTOLD]) == NO


def test_a_null_is_asked_of_the_fall_alone() -> None:
    below = Mean(-1.0, -1.5, -0.5)
    assert [against_null(name, below) for name in CONTRASTS] == ["not_asked", YES, "not_asked", "not_asked"]
    assert against_null("middle", Mean(-1.0, -2.0, 0.1)) == NO


def walks(rng: np.random.Generator, count: int, states: int = 9) -> np.ndarray:
    """Curves that go up and down without a direction, alike in no two samples."""
    return 5 + rng.normal(0, 0.3, (count, states)).cumsum(axis=1) + rng.normal(0, 1, (count, 1))


def test_curves_without_direction_have_stages_in_no_more_than_five_percent_of_studies() -> None:
    """Each claim on its own, and that of all four."""
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        found.append(verdicts(walks(rng, 30), np.arange(30)))
    for name in ("middle", "last", "rise"):
        assert np.mean([each[name] == YES for each in found]) <= 0.05, name
    assert np.mean([all_of(list(each.values())) == YES for each in found]) <= 0.01


def test_a_null_with_the_same_curve_is_beaten_in_no_more_than_five_percent_of_studies() -> None:
    rng, beaten = np.random.default_rng(1), 0
    clusters = np.arange(30)
    for _ in range(400):
        clean, null = (walks(rng, 30) + np.linspace(2, 0, 9) for _ in "12")
        pair = [contrasts(entropy, clusters)["middle"] for entropy in (clean, null)]
        beaten += against_null("middle", mean_of(pair[0] - pair[1], clusters)) == YES
    assert beaten / 400 <= 0.05


def test_planted_stages_are_found() -> None:
    rng = np.random.default_rng(2)
    curve = np.array([5, 5.2, 5, 4, 3, 2, 1.2, 1, 1.8])
    found = [verdicts(curve + walks(rng, 30) - 5, np.arange(30)) for _ in range(50)]
    assert np.mean([all_of(list(each.values())) == YES for each in found]) >= 0.95
