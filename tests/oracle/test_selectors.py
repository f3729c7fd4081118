"""Selectors with a contrast: values worked by hand, and the library function for one neuron as oracle."""

from importlib import import_module

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy
from scipy.stats import false_discovery_control, ttest_ind
from sklearn.metrics import mutual_info_score, roc_auc_score

from lode.engine.errors import UserError
from lode.selection import Moments, lape, share_out, take_top, welch_t
from lode.selection import auroc as auroc_plugin
from lode.selection import margin as margin_plugin
from lode.selection._firing import entropy, where_fires
from lode.selection.auroc import auroc
from lode.selection.contribution import contribution
from lode.selection.distribution_overlap import overlaps, partings, separation
from lode.selection.margin import margin
from lode.selection.mean_difference import difference
from lode.selection.modality_score import share
from lode.selection.mutual_information import mutual_information
from lode.selection.penalised_entropy import penalised
from lode.selection.welch_t import discoveries, welch
from tests.dense_tables import captured_importance

LN2, LN3 = np.log(2), np.log(3)
INF = np.inf


def moments_of(*samples: list[list[float]] | np.ndarray) -> Moments:
    """Moments from the values themselves: for each group (sample, neuron), seen as one layer."""
    parts = [np.asarray(part, dtype=np.float64) for part in samples]
    count = np.array([len(part) for part in parts])
    total, squares = (np.stack([(part**power).sum(0) for part in parts])[:, None] for power in (1, 2))
    return Moments.of(count, total, squares)


# --- who gets what -------------------------------------------------------------------------------------------------

SCORES = np.array(
    [
        [[5.0, 3.0, -INF], [4.0, 0.0, 1.0]],
        [[2.0, 9.0, -INF], [8.0, -INF, 1.0]],
    ]
)


def test_take_top_by_hand() -> None:
    # K = floor(0.7 * 6) = 4, two each.
    sets = take_top(SCORES, ["text", "image"], 0.7)
    assert sets["text"][0].tolist() == [[0, 0], [1, 0]]
    assert sets["text"][1].tolist() == [5, 4]
    assert sets["image"][0].tolist() == [[0, 1], [1, 0]]
    # K = 6, three each; of ten for image only four have a score.
    assert take_top(SCORES, ["text", "image"], 1.0)["image"][0].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert [len(pairs) for pairs, _ in take_top(SCORES[:, :, 1:], ["text", "image"], 1.0).values()] == [2, 2]
    assert [len(pairs) for pairs, _ in take_top(SCORES[1:], ["image"], 1.0).values()] == [4]


def test_share_out_by_hand() -> None:
    # K = 4. Best of each neuron: 5 9 -inf / 8 0 1, so (0,1) 9, (1,0) 8, (0,0) 5, (1,2) 1; each to whom has a score.
    sets = share_out(SCORES, ["text", "image"], 0.7)
    assert sets["text"][0].tolist() == [[0, 1], [1, 0], [0, 0], [1, 2]]
    assert sets["text"][1].tolist() == [3, 4, 5, 1]
    assert sets["image"][0].tolist() == [[0, 1], [1, 0], [0, 0], [1, 2]]
    # K = 6: the neuron that nobody may have is in no set; (1,1) is text's alone.
    sets = share_out(SCORES, ["text", "image"], 1.0)
    assert [len(pairs) for pairs, _ in sets.values()] == [5, 4]
    assert [0, 2] not in sets["text"][0].tolist()


def test_ties_go_to_the_smaller_index() -> None:
    for rule in (take_top, share_out):
        pairs, _ = rule(np.zeros((1, 2, 4)), ["text"], 0.625)["text"]
        assert pairs.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0]]


# --- firing probability --------------------------------------------------------------------------------------------

#: Three groups, five neurons: one group only, two alike, all alike, never, unequal.
FIRING = np.array([[0.4, 0.2, 0.3, 0.0, 0.6], [0.0, 0.2, 0.3, 0.0, 0.1], [0.0, 0.0, 0.3, 0.0, 0.1]])


def test_entropy_by_hand() -> None:
    # Shares (1, 0, 0); (1/2, 1/2, 0); thirds; none; (3/4, 1/8, 1/8): 3/4 ln 4/3 + 2/8 ln 8
    # = 3/4 ln 4 - 3/4 ln 3 + 3/4 ln 2 = 9/4 ln 2 - 3/4 ln 3.
    expected = [0, LN2, LN3, 0, 9 / 4 * LN2 - 3 / 4 * LN3]
    np.testing.assert_allclose(entropy(FIRING), expected, atol=1e-15)


def test_entropy_equals_scipy() -> None:
    firing = np.random.default_rng(0).random((5, 3, 40))
    np.testing.assert_allclose(entropy(firing), scipy_entropy(firing, axis=0), rtol=1e-12)


def test_where_a_neuron_fires() -> None:
    # 15 values, the last of them sorted 0.3 0.3 0.3 0.4 0.6 at places 10 to 14; the 80th percentile is at place
    # 0.8 * 14 = 11.2: 0.3. Only 0.4 and 0.6 are above.
    firing = FIRING[:, None]
    assert where_fires(firing, 80.0, "shared")[:, 0].tolist() == [
        [True, False, False, False, True],
        [False] * 5,
        [False] * 5,
    ]
    # Each group's own, place 0.8 * 4 = 3.2: 0.4 + 0.2 * 0.2, 0.2 + 0.2 * 0.1, 0.1 + 0.2 * 0.2.
    own = where_fires(firing, 80.0, "own")[:, 0]
    assert own.tolist() == [
        [False] * 4 + [True],
        [False, False, True, False, False],
        [False, False, True, False, False],
    ]
    # Without a bar: the highest, the first of equals, and none for the neuron that never fires.
    best = where_fires(firing, None, "shared")[:, 0]
    assert best.tolist() == [[True, True, True, False, True], [False] * 5, [False] * 5]


def test_penalised_entropy_by_hand() -> None:
    # c = (1 + 1/2 + 1/3) / 3 = 11/18. Weight 0.1: the reward is 0.1 * p * 18/11.
    # 0.4: 0.72/11 - 0; 0.2: 0.36/11 - ln 2 / ln 3; 0.3: 0.54/11 - 1; never: 0; 0.6: 1.08/11 - (9/4 ln 2 / ln 3 - 3/4).
    ratio = LN2 / LN3
    expected = [0.72 / 11, 0.36 / 11 - ratio, 0.54 / 11 - 1, 0, 1.08 / 11 - 9 / 4 * ratio + 3 / 4]
    np.testing.assert_allclose(penalised(FIRING, 0.1), expected, atol=1e-15)
    np.testing.assert_allclose(penalised(FIRING, 0.0), -entropy(FIRING) / LN3, atol=1e-15)


# --- means ---------------------------------------------------------------------------------------------------------


def test_moments_by_hand() -> None:
    # 1, 2, 6: mean 3, squares of deviations 4 + 1 + 9 = 14, variance 14 / 2 = 7. A constant has variance 0 exactly.
    moments = moments_of([[1, 0.1], [2, 0.1], [6, 0.1]])
    np.testing.assert_allclose(moments.mean[0, 0], [3, 0.1], rtol=1e-15)
    np.testing.assert_allclose(moments.variance[0, 0], [7, 0], rtol=1e-15, atol=0)


def test_mean_difference_and_margin_by_hand() -> None:
    # Means 6, 2, 1 and 0, 0, 3. Differences: 6 - 1.5, 2 - 3.5, 1 - 4; margins: 6 - 2, 2 - 6, 1 - 6.
    moments = moments_of([[5, -1], [7, 1]], [[1, 0], [3, 0]], [[1, 2], [1, 4]])
    raw = difference(moments, "none")[:, 0]
    np.testing.assert_allclose(raw, [[4.5, -1.5], [-1.5, -1.5], [-3, 3]], rtol=1e-15)
    np.testing.assert_allclose(margin(moments.mean)[:, 0], [[4, -3], [-4, -3], [-5, 3]], rtol=1e-15)
    # Variances 2, 2, 0 with 1 degree each: pooled 4/3; d = 4.5 / sqrt(4/3). g: df = 3, 1 - 3/11 = 8/11.
    np.testing.assert_allclose(difference(moments, "cohen_d")[0, 0, 0], 4.5 / np.sqrt(4 / 3), rtol=1e-14)
    np.testing.assert_allclose(difference(moments, "hedges_g")[0, 0, 0], 4.5 / np.sqrt(4 / 3) * 8 / 11, rtol=1e-14)


def test_cohen_d_of_two_groups_equals_the_t_statistic() -> None:
    """Of two groups d = t * sqrt(1/n + 1/n') with Student's t, so scipy's is the oracle."""
    rng = np.random.default_rng(2)
    one, other = rng.normal(1, 2, (9, 20)), rng.normal(0, 3, (14, 20))
    d = difference(moments_of(one, other), "cohen_d")[:, 0]
    expected = ttest_ind(one, other).statistic * np.sqrt(1 / 9 + 1 / 14)
    np.testing.assert_allclose(d, [expected, -expected], rtol=1e-10)


def test_a_constant_neuron_has_no_effect_size() -> None:
    moments = moments_of([[1.0], [1.0]], [[0.0], [0.0]])
    assert difference(moments, "cohen_d").ravel().tolist() == [0, 0]
    assert difference(moments, "none").ravel().tolist() == [1, -1]


def test_modality_score_by_hand() -> None:
    means = np.array([[3.0, 0.0, 2.0], [1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(share(means), [[0.75, 0, 1], [0.25, 0, 0]])


def test_contribution_by_hand() -> None:
    # |h| * ||w||: 2 * 3, 1 * 0.5; 4 * 3, 0; 0, 8 * 0.5. Others' mean of the first: (12 + 0) / 2, (0 + 4) / 2.
    magnitude, norm = np.array([[2.0, 1.0], [4.0, 0.0], [0.0, 8.0]]), np.array([3.0, 0.5])
    np.testing.assert_array_equal(contribution(magnitude, norm, "none"), [[6, 0.5], [12, 0], [0, 4]])
    np.testing.assert_array_equal(contribution(magnitude, norm, "mean"), [[0, -1.5], [9, -2.25], [-9, 3.75]])
    np.testing.assert_array_equal(contribution(magnitude, norm, "max"), [[-6, -3.5], [6, -4], [-12, 3.5]])


# --- Welch ---------------------------------------------------------------------------------------------------------


def test_welch_by_hand() -> None:
    # (1, 3): mean 2, variance 2, 2 / 2 = 1.  (0, 0, 3): mean 1, variance 3, 3 / 3 = 1.  t = 1 / sqrt 2;
    # df = (1 + 1)^2 / (1/1 + 1/2) = 8/3.
    t, freedom = welch(moments_of([[1], [3]]), moments_of([[0], [0], [3]]))
    np.testing.assert_allclose(t.ravel(), [1 / np.sqrt(2)], rtol=1e-15)
    np.testing.assert_allclose(freedom.ravel(), [8 / 3], rtol=1e-15)


def test_welch_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(1, 2, (9, 50)), rng.normal(1.5, 0.1, (30, 50))
    t, freedom = welch(moments_of(one), moments_of(other))
    expected = ttest_ind(one, other, equal_var=False)
    np.testing.assert_allclose(t.ravel(), expected.statistic, rtol=1e-9)
    np.testing.assert_allclose(freedom.ravel(), expected.df, rtol=1e-9)


def test_welch_without_variance_is_zero() -> None:
    t, freedom = welch(moments_of([[2.0, 2.0], [2.0, 4.0]]), moments_of([[1.0, 1.0], [1.0, 1.0]]))
    assert t[0, 0, 0] == 0
    assert t[0, 0, 1] == pytest.approx(2)  # (3 - 1) / sqrt(2 / 2)
    assert np.isfinite(freedom).all()


def test_discoveries_equal_scipy() -> None:
    rng = np.random.default_rng(4)
    one, other = rng.normal(np.linspace(-1, 2, 200), 1, (12, 200)), rng.normal(0, 1, (15, 200))
    result = ttest_ind(one, other, equal_var=False, alternative="greater")
    for rate in (0.001, 0.05, 0.3):
        expected = false_discovery_control(result.pvalue) <= rate
        assert 0 < expected.sum() < 200
        np.testing.assert_array_equal(discoveries(result.statistic, result.df, rate), expected)


def test_nothing_is_discovered_in_noise() -> None:
    rng = np.random.default_rng(5)
    result = ttest_ind(rng.normal(size=(12, 500)), rng.normal(size=(15, 500)), equal_var=False)
    assert not discoveries(result.statistic, result.df, 0.05).any()


# --- histograms ----------------------------------------------------------------------------------------------------


def histogram(values: np.ndarray, num_bins: int) -> np.ndarray:
    """Counts (neuron, bin) of whole numbers (sample, neuron)."""
    return np.stack([np.bincount(column, minlength=num_bins) for column in values.T]).astype(np.int32)


@pytest.fixture(scope="module")
def binned() -> tuple[list[np.ndarray], np.ndarray]:
    """Bins (sample, neuron) of three groups of unequal size, and their counts (group, neuron, bin)."""
    rng = np.random.default_rng(6)
    parts = [rng.binomial(7, rng.random(25), (size, 25)) for size in (12, 30, 21)]
    return parts, np.stack([histogram(part, 8) for part in parts])


def pooled(parts: list[np.ndarray], group: int, neuron: int) -> tuple[np.ndarray, np.ndarray]:
    """All samples of one neuron: whether they are of the group, and their bin."""
    is_own = np.concatenate([np.full(len(part), index == group) for index, part in enumerate(parts)])
    return is_own, np.concatenate([part[:, neuron] for part in parts])


def test_auroc_by_hand() -> None:
    # Own in bins 1 and 2, the others in 0, 1 and 1: of six pairs 1 > 0, 2 > 0, 2 > 1 twice, and 1 = 1 twice: 5 / 6.
    counts = np.array([[[0, 1, 1]], [[1, 1, 0]], [[0, 1, 0]]], dtype=np.int32)
    np.testing.assert_allclose(auroc(counts)[0], [5 / 6], rtol=1e-15)


def test_auroc_equals_sklearn(binned: tuple[list[np.ndarray], np.ndarray]) -> None:
    parts, counts = binned
    areas = auroc(counts)
    for group in range(3):
        for neuron in range(25):
            assert areas[group, neuron] == pytest.approx(roc_auc_score(*pooled(parts, group, neuron)), abs=1e-12)


def test_mutual_information_by_hand() -> None:
    # Two samples each, bins apart: I = ln 2, with the correction (2 + 2 - 2 - 1) / (2 * 4) = 1/8.
    # All in one bin: 0 + (1 + 2 - 2 - 1) / 8 = 0. Half and half each: 0 + (2 + 2 - 4 - 1) / 8 = -1/8.
    counts = np.array([[[2, 0], [2, 0], [1, 1]], [[0, 2], [2, 0], [1, 1]]], dtype=np.int32)
    expected = [LN2 + 1 / 8, 0, -1 / 8]
    np.testing.assert_allclose(mutual_information(counts), [expected, expected], atol=1e-15)


def test_mutual_information_equals_sklearn(binned: tuple[list[np.ndarray], np.ndarray]) -> None:
    parts, counts = binned
    values = mutual_information(counts)
    for group in range(3):
        for neuron in range(25):
            is_own, bins = pooled(parts, group, neuron)
            cells = len(set(zip(is_own.tolist(), bins.tolist(), strict=True)))
            correction = (len(set(bins.tolist())) + 2 - cells - 1) / (2 * 63)
            expected = mutual_info_score(is_own, bins) + correction
            assert values[group, neuron] == pytest.approx(expected, abs=1e-12)


def test_partings() -> None:
    assert partings(2).tolist() == [[True, False]]
    assert {tuple(way) for way in partings(3).tolist()} == {
        (True, False, False), (True, True, False), (True, False, True)
    }  # fmt: skip
    assert len(partings(5)) == 2**4 - 1


def test_distribution_overlap_by_hand() -> None:
    # Shares (1/2, 1/2, 0), (1/2, 0, 1/2), (0, 0, 1): overlaps 1/2, 0, 1/2.
    counts = np.array([[[2, 2, 0]], [[1, 0, 1]], [[0, 0, 3]]], dtype=np.int32)
    pairs = overlaps(counts)[..., 0]
    np.testing.assert_allclose(pairs, [[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]])
    # Partings: first alone max(1/2, 0) = 1/2, second alone 1/2, third alone 1/2: all equal, so the largest difference
    # of means: 0 - (1 + 4)/2 = -2.5, 1 - (0 + 4)/2 = -1, 4 - 1/2 = 3.5: the third alone, and it is the more active.
    means = np.array([[0.0], [1.0], [4.0]])
    assert separation(counts, means).tolist() == [[-INF], [-INF], [0.5]]
    # With the means upside down the others are the more active group.
    assert separation(counts, -means).tolist() == [[0.5], [0.5], [-INF]]


def test_distribution_overlap_equals_every_parting_tried(binned: tuple[list[np.ndarray], np.ndarray]) -> None:
    parts, counts = binned
    means = np.stack([part.mean(0) for part in parts])
    scores = separation(counts, means)
    for neuron in range(25):
        shares = [counts[m, neuron] / counts[m, neuron].sum() for m in range(3)]
        worst = {}
        for alone in range(3):
            rest = [m for m in range(3) if m != alone]
            worst[alone] = max(float(np.minimum(shares[alone], shares[m]).sum()) for m in rest)
        alone = min(worst, key=worst.__getitem__)
        high = means[alone, neuron] > np.mean([means[m, neuron] for m in range(3) if m != alone])
        members = [(m == alone) == high for m in range(3)]
        expected = [1 - worst[alone] if member else -INF for member in members]
        np.testing.assert_allclose(scores[:, neuron], expected, rtol=1e-12)


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("lape", {"percentile": 100.0}, r"\[0, 100\)"),
        ("lape", {"percentile": -1.0}, r"\[0, 100\)"),
        ("lape", {"bar": "owm"}, "Did you mean own"),
        ("penalised_entropy", {"weight": -0.1}, "at least 0"),
        ("penalised_entropy", {"weight": float("nan")}, "at least 0"),
        ("penalised_entropy", {"percentile": 101.0}, r"\[0, 100\)"),
        ("mean_difference", {"standardise": "cohen"}, "Did you mean cohen_d"),
        ("welch_t", {"fdr": 0.0}, r"\(0, 0.5\)"),
        ("welch_t", {"fdr": 0.5}, r"\(0, 0.5\)"),
        ("contribution", {"contrast": "men"}, "Did you mean mean"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        import_module(f"lode.selection.{name}").check_options(**options)


def test_a_group_with_too_few_samples_is_named() -> None:
    table = captured_importance(num_samples=1)
    with pytest.raises(UserError, match=r"text is held by 1 mining samples.*at least 2"):
        welch_t.select_neurons(table, ["text", "image"], 0.1, 1)
    for plugin in (lape, auroc_plugin, margin_plugin):
        with pytest.raises(UserError, match="audio is held by 0 mining samples"):
            plugin.select_neurons(table, ["text", "audio"], 0.1, 1)
