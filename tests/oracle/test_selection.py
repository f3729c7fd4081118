"""MINER selection: hand-worked sets, the slow implementation as oracle, set sizes, ties, properties and errors."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lode.engine.errors import UserError
from lode.grouping.modality import GROUPS, SPLITS
from lode.importance import METRICS
from lode.selection.miner import select
from tests.oracle import slow_miner

MODALITIES = tuple(GROUPS)

DETERMINISTIC = ("adaptive", "LA_MU", "LU_MA", "uniform")
STRATEGIES = (*DETERMINISTIC, "random")
RATIOS = (0.001, 0.005, 0.01, 0.015, 0.02, 0.05, 0.1, 1.0)
MEAN = (0.0, 1.0, 0.0, 0.0, 0.0)
DEFAULT = (0.0, 0.25, 0.25, 0.5, 0.0)
MIXES = (
    *(tuple(float(i == j) for j in range(5)) for i in range(5)),
    (0.0, 0.5, 0.5, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.5, 0.5),
    DEFAULT,
    (0.0, 0.25, 0.25, 0.0, 0.5),
    (0.2, 0.2, 0.2, 0.2, 0.2),
)
SPLIT = SPLITS["special_text_separate"]

Sets = dict[str, set[tuple[int, int]]]


def fast(importance, groups, mix, ratio, strategy, seed=0) -> Sets:
    """The implementation under test, after a check of the form of what it returns."""
    result = select(importance, groups, mix, ratio, strategy, seed=seed)
    num_layers, num_neurons = importance.shape[2:]
    sets = {}
    for group, pairs in result.items():
        pairs = np.asarray(pairs)
        assert np.issubdtype(pairs.dtype, np.integer), group
        assert pairs.shape == (len(pairs), 2), group
        assert np.all((pairs >= 0) & (pairs < [num_layers, num_neurons])), group
        sets[group] = {(int(layer), int(neuron)) for layer, neuron in pairs}
        assert len(sets[group]) == len(pairs), f"a neuron twice in {group}"
    return sets


def slow(importance, groups, mix, ratio, strategy) -> Sets:
    """The oracle under the same name of arguments."""
    return slow_miner.select(np.asarray(importance), groups, mix, ratio, strategy)


both = pytest.mark.parametrize("implementation", [slow, fast])


def random_importance(shape: tuple[int, int, int, int], seed: int, absent: tuple[int, ...] = ()) -> np.ndarray:
    """Random (metric, group, layer, neuron), min-max over neurons as the importance stage leaves it."""
    out = np.random.default_rng(seed).gamma(0.5, size=shape)
    low, high = out.min(axis=3, keepdims=True), out.max(axis=3, keepdims=True)
    out = (out - low) / (high - low)
    out[:, list(absent)] = 0
    return out


def only_mean(per_group: list[list[list[float]]]) -> np.ndarray:
    """Importance whose `mean` is (group, layer, neuron) as given and whose other metrics mislead."""
    mean = np.array(per_group, dtype=np.float64)
    out = np.stack([10 - mean] * 5)
    out[METRICS.index("mean")] = mean
    return out


# --- worked by hand ------------------------------------------------------------------------------------------------

# Two layers of five neurons, K = floor(0.6 * 2 * 5) = 6, M = 2.
HAND = only_mean(
    [
        [[9, 1, 8, 0, 7], [4, 3, 0, 6, 2]],  # image
        [[0, 5, 6, 1, 3], [7, 4, 2, 3, 1]],  # audio
    ]
)
HAND_SETS = {
    # Sums: layer 0 = 9 6 14 1 10, layer 1 = 11 7 2 9 3. Top six: 14 (0,2), 11 (1,0), 10 (0,4), 9 (0,0), 9 (1,3) and
    # 7 (1,1).
    # Larger side: (0,2) 8 > 6, (0,4) 7 > 3, (0,0) 9 > 0, (1,3) 6 > 3 image; (1,0) 4 < 7, (1,1) 3 < 4 audio.
    "adaptive": {"image": {(0, 2), (0, 4), (0, 0), (1, 3)}, "audio": {(1, 0), (1, 1)}},
    # 6 / 2 = 3 each. Image 9 8 7; audio 7 6 5. (0, 2) is in both.
    "LA_MU": {"image": {(0, 0), (0, 2), (0, 4)}, "audio": {(1, 0), (0, 2), (0, 1)}},
    # 6 / 2 = 3 a layer. Layer 0: image 9, image 8, image 7. Layer 1: audio 7, image 6, then 4 twice: image (1,0) and
    # audio (1,1); the smaller group index wins.
    "LU_MA": {"image": {(0, 0), (0, 2), (0, 4), (1, 3), (1, 0)}, "audio": {(1, 0)}},
    # floor(6 / 4) = 1 a layer and group.
    "uniform": {"image": {(0, 0), (1, 3)}, "audio": {(0, 2), (1, 0)}},
}


@both
@pytest.mark.parametrize("strategy", DETERMINISTIC)
def test_hand_worked_sets(implementation, strategy):
    assert implementation(HAND, ("image", "audio"), MEAN, 0.6, strategy) == HAND_SETS[strategy]


@both
def test_hand_worked_mix(implementation):
    # Default mix = mean / 4 + max / 4 + attn_k / 2: (0.25, 0.25, 0.5, 0.5). K = floor(0.5 * 4) = 2.
    importance = np.zeros((5, 1, 1, 4))
    importance[:, 0, 0] = [[9, 9, 0, 0], [1, 0, 0.5, 0], [0, 1, 0.5, 0], [0, 0, 0.5, 1], [9, 9, 0, 0]]
    assert implementation(importance, ["prompt"], DEFAULT, 0.5, "LA_MU") == {"prompt": {(0, 2), (0, 3)}}
    assert implementation(importance, ["prompt"], MEAN, 0.5, "LA_MU") == {"prompt": {(0, 0), (0, 2)}}


@both
def test_a_group_that_never_occurred_is_not_counted(implementation):
    # With video counted M would be 3 and floor(6 / 3) = 2; without it floor(6 / 2) = 3, the sets of the case above.
    importance = np.insert(HAND, 1, 0.0, axis=1)
    for strategy in DETERMINISTIC:
        assert implementation(importance, ("image", "video", "audio"), MEAN, 0.6, strategy) == HAND_SETS[strategy]


@both
def test_a_group_is_absent_only_if_all_metrics_are_zero(implementation):
    # Audio has `prob` only (say, one token per sample and equal activations), and the mix does not look at it: it still
    # occurred, so M = 2 and image gets floor(6 / 2) = 3; audio's are the first three of ten equal zeros.
    importance = HAND.copy()
    importance[1:, 1] = 0
    sets = implementation(importance, ("image", "audio"), MEAN, 0.6, "LA_MU")
    assert sets == {"image": {(0, 0), (0, 2), (0, 4)}, "audio": {(0, 0), (0, 1), (0, 2)}}


@both
def test_hand_worked_ties(implementation):
    # Everything equal, 2 layers x 3 neurons, K = floor(0.7 * 6) = 4: the first in order win.
    importance = np.full((5, 2, 2, 3), 0.5)
    expected = {
        "adaptive": {"image": {(0, 0), (0, 1), (0, 2), (1, 0)}, "audio": set()},
        "LA_MU": {"image": {(0, 0), (0, 1)}, "audio": {(0, 0), (0, 1)}},
        "LU_MA": {"image": {(0, 0), (0, 1), (1, 0), (1, 1)}, "audio": set()},
        "uniform": {"image": {(0, 0), (1, 0)}, "audio": {(0, 0), (1, 0)}},
    }
    for strategy in DETERMINISTIC:
        assert implementation(importance, ("image", "audio"), MEAN, 0.7, strategy) == expected[strategy], strategy


@both
@pytest.mark.parametrize(
    ("shape", "ratio", "expected"), [((29, 100), 0.01, 29), ((1, 100), 0.29, 29), ((2, 99), 0.1, 19)]
)
def test_k_is_the_floor_of_the_ratio_as_written(implementation, shape, ratio, expected):
    # 0.01 * 29 * 100 and 0.29 * 100 are 28.999999999999996 in binary floating point, 29 as written; 0.1 of 198 is 19.
    importance = random_importance((5, 1, *shape), 0)
    assert len(implementation(importance, ["prompt"], MEAN, ratio, "LA_MU")["prompt"]) == expected


# --- against the slow implementation -------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", DETERMINISTIC)
@pytest.mark.parametrize(
    ("groups", "shape", "absent"),
    [(SPLIT, (4, 125), (3,)), (SPLITS["prompt"], (6, 200), ()), (MODALITIES, (3, 67), (1, 4))],
    ids=["separate", "prompt", "all_seven"],
)
def test_equals_the_slow_implementation(strategy, groups, shape, absent):
    importance = random_importance((5, len(groups), *shape), 11, absent)
    for ratio in RATIOS:
        for mix in MIXES:
            expected = slow(importance, groups, mix, ratio, strategy)
            assert fast(torch.tensor(importance), groups, mix, ratio, strategy) == expected, (ratio, mix)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    num_groups=st.integers(1, 5),
    num_layers=st.integers(1, 4),
    num_neurons=st.integers(1, 12),
    levels=st.integers(1, 4),
    absent=st.sets(st.integers(0, 4), max_size=3),
    mix=st.sampled_from(MIXES[:-1]),  # halves and quarters: sums of them are exact, so ties are ties
    ratio=st.sampled_from((0.05, 0.2, 0.25, 0.5, 0.9, 1.0)),
    strategy=st.sampled_from(DETERMINISTIC),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_slow_implementation_with_many_ties(
    num_groups, num_layers, num_neurons, levels, absent, mix, ratio, strategy, seed
):
    shape = (5, num_groups, num_layers, num_neurons)
    importance = np.random.default_rng(seed).integers(0, levels, size=shape) / 4
    importance[:, [m for m in absent if m < num_groups - 1]] = 0
    importance[0, -1, 0, 0] = 1  # the last group always occurred
    groups = SPLIT[:num_groups]
    expected = slow(importance, groups, mix, ratio, strategy)
    assert fast(torch.tensor(importance), groups, mix, ratio, strategy) == expected


@pytest.mark.parametrize("strategy", DETERMINISTIC)
def test_negative_importance_is_ranked_like_any_other(strategy):
    # Other normalisations (z-score) give negative values; an all-negative group occurred too.
    importance = random_importance((5, 3, 4, 50), 5) - np.array([0, 0.5, 2])[:, None, None]
    for ratio in (0.02, 0.1, 0.7):
        args = (("text", "image", "audio"), DEFAULT, ratio, strategy)
        assert fast(torch.tensor(importance), *args) == slow(importance, *args)


# --- sizes and properties ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", RATIOS)
def test_set_sizes(ratio):
    num_layers, num_neurons, present = 4, 125, [m for m in SPLIT if m != "video"]
    importance = torch.tensor(random_importance((5, 5, num_layers, num_neurons), 3, absent=(SPLIT.index("video"),)))
    k = {0.001: 0, 0.005: 2, 0.01: 5, 0.015: 7, 0.02: 10, 0.05: 25, 0.1: 50, 1.0: 500}[ratio]

    sets = fast(importance, SPLIT, DEFAULT, ratio, "adaptive")
    assert set(sets) == set(present)
    assert sum(map(len, sets.values())) == k == len(set().union(*sets.values()))

    sets = fast(importance, SPLIT, DEFAULT, ratio, "LA_MU")
    assert {m: len(s) for m, s in sets.items()} == dict.fromkeys(present, k // 4)

    sets = fast(importance, SPLIT, DEFAULT, ratio, "LU_MA")
    layers = [layer for s in sets.values() for layer, _ in s]
    assert [layers.count(layer) for layer in range(num_layers)] == [k // num_layers] * num_layers
    assert set(sets) == set(present)

    sets = fast(importance, SPLIT, DEFAULT, ratio, "uniform")
    for group in present:
        layers = [layer for layer, _ in sets[group]]
        assert [layers.count(layer) for layer in range(num_layers)] == [k // (4 * num_layers)] * num_layers


@pytest.mark.parametrize("strategy", DETERMINISTIC)
def test_permuting_neurons_permutes_the_sets(strategy):
    importance = random_importance((5, 5, 3, 80), 17)
    order = np.random.default_rng(1).permutation(80)  # new neuron i is old neuron order[i]
    before = fast(importance, SPLIT, DEFAULT, 0.1, strategy)
    after = fast(importance[..., order], SPLIT, DEFAULT, 0.1, strategy)
    assert {m: {(layer, int(order[i])) for layer, i in s} for m, s in after.items()} == before


@pytest.mark.parametrize("strategy", DETERMINISTIC)
def test_order_of_groups_and_of_layers_does_not_matter(strategy):
    importance = random_importance((5, 5, 3, 80), 18)
    before = fast(importance, SPLIT, DEFAULT, 0.1, strategy)
    assert fast(importance[:, ::-1].copy(), SPLIT[::-1], DEFAULT, 0.1, strategy) == before
    upside_down = fast(importance[:, :, ::-1].copy(), SPLIT, DEFAULT, 0.1, strategy)
    assert {m: {(2 - layer, i) for layer, i in s} for m, s in upside_down.items()} == before


@pytest.mark.parametrize("strategy", DETERMINISTIC)
def test_scale_and_shift_of_all_importance_change_nothing(strategy):
    importance = random_importance((5, 5, 3, 80), 19)
    before = fast(importance, SPLIT, DEFAULT, 0.1, strategy)
    assert fast(4 * importance + 0.5, SPLIT, DEFAULT, 0.1, strategy) == before


@pytest.mark.parametrize("strategy", DETERMINISTIC)
def test_sets_grow_with_the_ratio(strategy):
    importance = random_importance((5, 5, 4, 100), 20)
    steps = [fast(importance, SPLIT, DEFAULT, ratio, strategy) for ratio in RATIOS]
    for small, large in pairwise(steps):
        assert all(small[m] <= large[m] for m in SPLIT)
    assert sum(map(len, steps[0].values())) < sum(map(len, steps[-1].values()))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_array_tensor_and_single_precision_give_the_same_sets(strategy):
    # Multiples of 1/4096, all different within a metric and group: exact in float32 too.
    rng = np.random.default_rng(21)
    importance = np.stack([rng.permutation(200).reshape(2, 100) / 4096 for _ in range(10)]).reshape(5, 2, 2, 100)
    args = (("image", "audio"), DEFAULT, 0.1, strategy)
    expected = fast(importance, *args)
    assert fast(torch.tensor(importance), *args) == expected
    assert fast(torch.tensor(importance, dtype=torch.float32), *args) == expected
    assert fast(importance, list(args[0]), list(args[1]), *args[2:]) == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_input_is_left_as_it_was_and_the_result_repeats(strategy):
    importance = random_importance((5, 5, 3, 80), 22)
    copy = importance.copy()
    first = fast(importance, SPLIT, DEFAULT, 0.1, strategy, seed=4)
    assert np.array_equal(importance, copy)
    assert fast(importance, SPLIT, DEFAULT, 0.1, strategy, seed=4) == first


# --- random --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", RATIOS)
def test_random_draws_k_neurons_none_twice(ratio):
    sets = fast(random_importance((5, 5, 4, 125), 1, absent=(3,)), SPLIT, DEFAULT, ratio, "random", seed=9)
    assert set(sets) <= set(SPLIT) - {SPLIT[3]}
    k = {0.001: 0, 0.005: 2, 0.01: 5, 0.015: 7, 0.02: 10, 0.05: 25, 0.1: 50, 1.0: 500}[ratio]
    assert sum(map(len, sets.values())) == k == len(set().union(*sets.values()))


def test_random_is_uniform_over_neurons_and_differs_by_seed():
    # 400 draws of 10 out of 20: each neuron is drawn Binomial(400, 1/2) times, mean 200, sd 10.
    importance = random_importance((5, 2, 4, 5), 2)
    drawn = []
    for seed in range(400):
        drawn.append(frozenset().union(*fast(importance, ("image", "audio"), MEAN, 0.5, "random", seed).values()))
    counts = [sum((layer, neuron) in draw for draw in drawn) for layer in range(4) for neuron in range(5)]
    assert min(counts) > 150
    assert max(counts) < 250
    assert len(set(drawn)) > 390  # of 184,756 possible sets


def test_random_does_not_look_at_the_importance():
    draws = [
        fast(random_importance((5, 2, 4, 50), seed), ("image", "audio"), MEAN, 0.1, "random", 3) for seed in (1, 2)
    ]
    assert set().union(*draws[0].values()) == set().union(*draws[1].values())


# --- errors --------------------------------------------------------------------------------------------------------

VALID = {"importance": HAND, "groups": ("image", "audio"), "mix": MEAN, "ratio": 0.6}
WITH_NAN = HAND.copy()
WITH_NAN[4, 1, 1, 2] = np.nan  # in a metric that the mix does not use


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "change",
    [
        {"ratio": 0.0},
        {"ratio": -0.1},
        {"ratio": 1.0001},
        {"ratio": float("nan")},
        {"mix": (0.25, 0.25, 0.25, 0.25, 0.0001)},
        {"mix": (0.0, 0.0, 0.0, 0.0, 0.0)},
        {"mix": (float("nan"), 1.0, 0.0, 0.0, 0.0)},
        {"mix": (0.25, 0.25, 0.25, 0.25)},
        {"mix": (0.5, 0.5, 0.0, 0.0, 0.0, 0.0)},
        {"importance": WITH_NAN},
        {"groups": ("image",)},
        {"groups": ("image", "video", "audio")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_wrong_arguments_are_refused(change, strategy):
    with pytest.raises(UserError):
        select(**{**VALID, **change}, strategy=strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_importance_without_any_group_is_refused(strategy):
    with pytest.raises(UserError):
        select(**{**VALID, "importance": np.zeros_like(HAND)}, strategy=strategy)


@pytest.mark.parametrize("name", ["la_mu", "", "adaptiv"])
def test_unknown_strategy_is_refused_by_name(name):
    with pytest.raises(UserError, match="LA_MU"):
        select(**VALID, strategy=name)


def test_mix_may_miss_one_by_rounding():
    assert fast(**{**VALID, "mix": (0.0, 1.0 + 5e-7, 0.0, 0.0, 0.0)}, strategy="LA_MU") == HAND_SETS["LA_MU"]
    with pytest.raises(UserError):
        select(**{**VALID, "mix": (0.0, 1.0 + 2e-6, 0.0, 0.0, 0.0)}, strategy="LA_MU")
