"""Intervals: values worked by hand, plain slow versions, and how often they hold the truth in simulated studies."""

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp
from statsmodels.stats.proportion import proportion_confint

from lode.statistics.intervals import (
    WIDE_LEVEL,
    correlation_matrices,
    drop_intervals,
    effective_clusters,
    mean_intervals,
    mover,
    quantile,
    score_intervals,
    simultaneous_interval,
    smallest_visible_drop,
)
from lode.statistics.selectivity import selectivity_intervals, share_weights

UNEQUAL = np.array([1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 6, 7, 8, 9, 11])
FOURS = np.full(20, 4)


def labels(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def lost_and_kept(lost, gained=0, n=80):
    """One series of differences: so many samples lost, gained, and as before."""
    return np.repeat([1.0, -1.0, 0.0], (lost, gained, n - lost - gained))[None]


# --- scores and drops


def test_wilson_by_hand():
    """Nothing of 4: no cluster, so 4 samples; t of 3 degrees at 95 % is 3.18; upper end t^2 / (4 + t^2)."""
    low, high = score_intervals(np.zeros((1, 4)), np.arange(4), 0.95)
    assert low[0] == 0
    assert high[0] == pytest.approx(3.182446**2 / (4 + 3.182446**2), rel=1e-6)
    low, high = score_intervals(np.ones((1, 4)), np.arange(4), 0.95)
    assert high[0] == 1
    assert low[0] == pytest.approx(4 / (4 + 3.182446**2), rel=1e-6)


@pytest.mark.parametrize("right", [0, 1, 40, 500, 999, 1000])
def test_many_independent_samples_are_wilsons_interval(right):
    values = np.repeat([1.0, 0.0], (right, 1000 - right))[None]
    found = np.concatenate(score_intervals(values, np.arange(1000), 0.95))
    np.testing.assert_allclose(found, proportion_confint(right, 1000, 0.05, method="wilson"), rtol=0.005, atol=1e-12)


def test_clusters_widen_and_fractions_narrow():
    rng = np.random.default_rng(0)
    alike = (rng.random((1, 20)) < 0.3).astype(float)
    width = [
        np.subtract(*score_intervals(values, clusters, 0.95)[::-1])[0]
        for values, clusters in (
            (np.repeat(alike, 4, axis=1), np.arange(80)),
            (np.repeat(alike, 4, axis=1), labels(FOURS)),  # one answer a cluster: 20 samples, not 80
            (0.1 * np.repeat(alike, 4, axis=1), np.arange(80)),
        )
    ]
    assert 1.7 < width[1] / width[0] < 2.1
    assert 0.1 < width[2] / width[0] < 0.3  # a tenth, and a little for what 80 samples may have missed


def test_drops_by_hand():
    """10 of 80 lost, 4 gained, by the formulas in plain arithmetic: 0.125 - 0.05."""
    q = student.ppf(0.975, 79)

    def wilson(k):
        p = k / 80
        ratio = (80 / 79 * 80 * p * (1 - p) + 1) / (80 * p * (1 - p) + 1)
        n = 80 / ratio
        centre, half = p + q * q / 2 / n, q * np.sqrt(p * (1 - p) / n + q * q / 4 / n / n)
        return np.array([centre - half, centre + half]) / (1 + q * q / n)

    (lost_low, lost_high), (won_low, won_high) = wilson(10), wilson(4)
    r = -np.sqrt(0.125 * 0.05 / (0.875 * 0.95))  # of two exclusive events
    down, up = (0.125 - lost_low, won_high - 0.05), (lost_high - 0.125, 0.05 - won_low)
    expected = [0.075 + sign * np.sqrt(a * a + b * b - 2 * r * a * b) for sign, (a, b) in ((-1, down), (1, up))]
    found = np.concatenate(drop_intervals(lost_and_kept(10, 4), np.arange(80), 0.95))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    mirrored = np.concatenate(drop_intervals(lost_and_kept(4, 10), np.arange(80), 0.95))
    np.testing.assert_allclose(mirrored, -found[::-1], rtol=1e-9)


def test_nothing_lost_has_an_interval_and_says_what_cannot_be_seen():
    low, high = drop_intervals(lost_and_kept(0), np.arange(80), 0.95)
    assert -low[0] == pytest.approx(high[0])
    assert smallest_visible_drop(np.ones(80, dtype=int), 0.95) == high[0] == pytest.approx(0.0472, abs=1e-4)
    assert smallest_visible_drop(np.ones(800, dtype=int), 0.95) == pytest.approx(0.0048, abs=1e-4)
    clustered = smallest_visible_drop(FOURS, 0.95)  # 80 / (1 + 3 * 0.2) = 50 samples, t of 19 degrees
    assert clustered == pytest.approx(2.093024**2 / (50 + 2.093024**2), rel=1e-5)
    assert clustered < smallest_visible_drop(UNEQUAL, 0.95) < smallest_visible_drop(np.ones(20, dtype=int), 0.95)


def test_effective_clusters_by_hand():
    assert effective_clusters(FOURS) == 20
    assert effective_clusters(np.array([1, 3])) == 16 / 10
    assert quantile(1.6, 0.95) == quantile(2.0, 0.95) == pytest.approx(12.7062, abs=1e-4)  # one degree at least


def test_order_of_samples_and_scale_of_labels_do_not_matter():
    rng = np.random.default_rng(1)
    values, clusters, order = rng.integers(-1, 2, (3, 81)).astype(float), labels(UNEQUAL), rng.permutation(81)
    for interval in (drop_intervals, mean_intervals):
        one = interval(values, clusters, 0.9)
        other = interval(values[:, order], np.array([f"c{i:02}" for i in clusters])[order], 0.9)
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_one_cluster_and_values_out_of_range_are_refused():
    with pytest.raises(AssertionError, match="two clusters"):
        drop_intervals(np.zeros((1, 4)), np.zeros(4, dtype=int), 0.95)
    with pytest.raises(AssertionError, match="in \\[0, 1\\]"):
        drop_intervals(np.full((1, 4), 1.5), np.arange(4), 0.95)
    with pytest.raises(AssertionError, match="in \\[0, 1\\]"):
        score_intervals(np.full((1, 4), -0.5), np.arange(4), 0.95)


# --- nats


def test_symmetric_nats_have_students_interval():
    values = np.random.default_rng(2).normal(0.3, 1, 40)
    both = np.concatenate([values, 0.6 - values])  # no skewness
    expected = ttest_1samp(both, 0).confidence_interval(0.95)
    np.testing.assert_allclose(np.concatenate(mean_intervals(both[None], np.arange(80), 0.95)), expected, rtol=1e-4)


def test_halls_transformation_by_hand():
    """Differences 0, 0, 0, 4: mean 1, error 1, skewness of the mean 24 / 12^1.5; the ends solve Hall's cubic."""
    low, high = mean_intervals(np.array([[0.0, 0, 0, 4]]), np.arange(4), 0.95)
    a, q = 24 / 12**1.5 / 3, student.ppf(0.975, 3)
    for end, reach in ((low[0], q), (high[0], -q)):
        t = 1 - end  # (mean - end) / error
        assert t + a * t**2 + a**2 * t**3 / 3 + a / 2 == pytest.approx(reach)


def test_nats_have_no_width_only_where_all_are_equal():
    low, high = mean_intervals(np.array([[0.5] * 6, [0.5] * 5 + [0.6]]), np.arange(6), 0.95)
    assert low[0] == high[0] == 0.5
    assert high[1] - low[1] > 0.01


# --- coverage


def covered(interval, drops, clusters, truth):
    low, high = interval(drops, clusters, 0.95)
    return np.mean((low <= truth + 1e-12) & (high >= truth - 1e-12))


@pytest.mark.parametrize("truth", [0, 0.01, 0.02, 0.05, 0.1])
def test_coverage_at_80_samples(truth):
    """Standard error of a coverage: 0.0034."""
    chance = np.random.default_rng(10).random((4000, 80))
    at_ceiling = (chance < truth).astype(float)
    assert covered(drop_intervals, at_ceiling, np.arange(80), truth) >= 0.93
    with_gains = (chance < truth + 0.03).astype(float) - (chance > 0.97)  # clean score 0.9: gains 3 in 100
    assert covered(drop_intervals, with_gains, np.arange(80), truth) >= 0.93


@pytest.mark.parametrize("sizes", [FOURS, UNEQUAL], ids=["20x4", "unequal"])
@pytest.mark.parametrize("truth", [0, 0.01, 0.02, 0.05, 0.1])
def test_coverage_with_20_clusters(sizes, truth):
    """Intra-class correlation 0.2: the chance of a loss is Beta(4 p, 4 (1 - p)) in each cluster."""
    rng = np.random.default_rng(11)
    by_cluster = rng.beta(4 * truth, 4 * (1 - truth), (4000, 20)) if truth else np.zeros((4000, 20))
    chance = by_cluster[:, labels(sizes)]
    drops = (rng.random(chance.shape) < chance).astype(float)
    assert covered(drop_intervals, drops, labels(sizes), truth) >= 0.92


def test_coverage_of_nats_where_few_samples_lose_much():
    """5 % of samples lose 3 nats in the mean, the others next to nothing: Student's t holds the truth in 0.89."""
    rng = np.random.default_rng(12)
    lost = np.where(
        rng.random((4000, 80)) < 0.05, 2 + rng.exponential(1, (4000, 80)), 0.02 * rng.normal(size=(4000, 80))
    )
    assert covered(mean_intervals, lost, np.arange(80), 0.15) >= 0.93
    assert covered(mean_intervals, 0.3 + rng.normal(size=(4000, 80)), np.arange(80), 0.3) >= 0.93
    shared = np.sqrt(0.2) * rng.normal(size=(4000, 20))[:, labels(UNEQUAL)]
    clustered = 0.3 + shared + np.sqrt(0.8) * rng.normal(size=shared.shape)
    assert covered(mean_intervals, clustered, labels(UNEQUAL), 0.3) >= 0.92
    assert covered(mean_intervals, clustered, np.arange(UNEQUAL.sum()), 0.3) < 0.87  # ignoring the clusters fails


# --- several benchmarks

OF_IMAGE = share_weights(np.array([True, False]), np.ones(2))


def words(lost, n=20):
    return np.repeat([1.0, 0.0], (lost, n - lost))[None]


def test_weights_of_shares_by_hand():
    """Captions 10 % above chance and wiped out, questions 75 % above chance and two thirds lost."""
    weights = share_weights(np.array([True, False, False]), np.array([0.1, 0.75, 0.5]))
    assert np.array([0.1, 0.5, 0.0]) @ weights == pytest.approx(1 - (2 / 3 + 0) / 2)
    for useless in (np.ones(3, dtype=bool), np.zeros(3, dtype=bool)):
        with pytest.raises(AssertionError, match="compares own"):
            share_weights(useless, np.ones(3))
    with pytest.raises(AssertionError, match="above chance"):
        share_weights(np.array([True, False]), np.array([0.5, 0.0]))


def test_same_words_stay_paired_across_benchmarks():
    """FAULTS N10: of 20 words 6 are lost as text, the same 6 and 2 more as image; 2 of 20 words differ."""
    image, text, clusters = words(8), words(6), np.arange(20)
    paired = selectivity_intervals([image, text], [clusters, clusters], OF_IMAGE, [drop_intervals] * 2, 0.95)
    apart = selectivity_intervals([image, text], [clusters, clusters + 20], OF_IMAGE, [drop_intervals] * 2, 0.95)
    assert paired.value[0] == apart.value[0] == pytest.approx(0.1)
    # The words that differ: 2 times 1 - 0.1, 18 times 0 - 0.1.
    assert paired.standard_error[0] == pytest.approx(np.sqrt(20 / 19 * (2 * 0.81 + 18 * 0.01)) / 20)
    assert apart.standard_error[0] == pytest.approx(np.sqrt((0.4 * 0.6 + 0.3 * 0.7) / 19))
    assert (paired.low[0], paired.high[0]) == pytest.approx((-0.06, 0.25), abs=0.005)
    assert (apart.low[0], apart.high[0]) == pytest.approx((-0.26, 0.44), abs=0.005)


def test_order_and_order_of_samples_do_not_matter():
    order = np.random.default_rng(3).permutation(20)
    clusters = np.array([f"word {i}" for i in range(20)])
    one = selectivity_intervals([words(8), words(6)], [clusters, clusters], OF_IMAGE, [drop_intervals] * 2, 0.95)
    other = selectivity_intervals(
        [words(6), words(8)[:, order]], [clusters, clusters[order]], OF_IMAGE[::-1], [drop_intervals] * 2, 0.95
    )
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_standard_error_is_that_of_joint_resampling():
    """A plain bootstrap of 60 clusters, 40 of them in both benchmarks, each drawn in both at once."""
    rng = np.random.default_rng(4)
    of_cluster, ids = rng.normal(0, 1, 60), np.arange(60)
    first, second = np.repeat(ids[:50], 2), np.repeat(ids[10:], 3)
    drops = [of_cluster[place] + rng.normal(0, 0.5, len(place)) for place in (first, second)]
    weights = share_weights(np.array([True, False]), np.array([1.0, 0.7]))
    found = selectivity_intervals(
        [d[None] for d in drops], [first, second], weights, [mean_intervals] * len(weights), 0.95
    )
    draws = []
    for _ in range(4000):
        times = rng.multinomial(60, np.full(60, 1 / 60))
        means = [np.average(d, weights=times[place]) for d, place in zip(drops, (first, second), strict=True)]
        draws.append(np.dot(means, weights))
    assert found.standard_error[0] == pytest.approx(np.std(draws), rel=0.05)
    unpaired = selectivity_intervals(
        [d[None] for d in drops], [first, second + 99], weights, [mean_intervals] * len(weights), 0.95
    )
    assert unpaired.standard_error[0] > 1.3 * np.std(draws)


@pytest.mark.parametrize("truth", [(0.0, 0.0), (0.05, 0.02), (0.3, 0.1)])
def test_coverage_of_selectivity(truth):
    """Own benchmark and two others, 80 samples each; the second is the first in another form: same items."""
    rng = np.random.default_rng(13)
    difficulty = rng.random((2000, 80))
    drops = [difficulty < truth[0], difficulty < truth[1], rng.random((2000, 80)) < truth[1]]
    clusters = [np.arange(80), np.arange(80), np.arange(80, 160)]
    weights = share_weights(np.array([True, False, False]), np.ones(3))
    low, high = selectivity_intervals(
        [d.astype(float) for d in drops], clusters, weights, [drop_intervals] * len(weights), 0.95
    )[1:3]
    expected = truth[0] - truth[1]
    assert np.mean((low <= expected) & (high >= expected)) >= 0.93


def test_mover_of_uncorrelated_parts_by_hand():
    """Distances 3 down and 4 (to the upper end of what is subtracted): 5 down; 1 and 0: 1 up."""
    ends = mover(
        np.array([[9.0, 5]]), np.array([[6.0, 5]]), np.array([[10.0, 9]]), np.eye(2)[None], np.array([1.0, -1])
    )
    np.testing.assert_allclose(np.concatenate(ends), [4, -1, 5])
    parts = np.array([[[1.0, -1, 0]], [[2.0, -2, 0]], [[0.0, 0, 0]]])
    np.testing.assert_allclose(correlation_matrices(parts)[0], [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)


# --- the best of many


def test_simultaneous_interval_by_hand():
    """Exactly normal: both sides in proportion to the quantile. Nothing lost: with its square."""
    given, wide = quantile(80.0, 0.95), quantile(80.0, WIDE_LEVEL)
    for num_tests, level in ((1, 0.95), (18, 1 - 0.05 / 18), (2000, 1 - 0.05 / 2000)):
        q = quantile(80.0, level)
        normal = ((0.3 - 0.1 * given, 0.3 + 0.1 * given), (0.3 - 0.1 * wide, 0.3 + 0.1 * wide))
        ends = simultaneous_interval(0.3, *normal, 80.0, 0.95, num_tests)
        assert ends == pytest.approx((0.3 - 0.1 * q, 0.3 + 0.1 * q))
        square = ((-(given**2), given**2), (-(wide**2), wide**2))
        assert simultaneous_interval(0.0, *square, 80.0, 0.95, num_tests) == pytest.approx((-(q**2), q**2))


@pytest.mark.parametrize("num_tests", [2, 18, 72, 400])
@pytest.mark.parametrize(("lost", "gained"), [(0, 0), (1, 0), (3, 0), (8, 0), (20, 2), (40, 5), (70, 0)])
def test_simultaneous_interval_is_that_of_the_higher_level(lost, gained, num_tests):
    drops, clusters = lost_and_kept(lost, gained), np.arange(80)
    for interval, values in ((drop_intervals, drops), (mean_intervals, drops * np.linspace(0.5, 3, 80))):
        near, far, exact = (
            tuple(float(end[0]) for end in interval(values, clusters, level))
            for level in (0.95, WIDE_LEVEL, 1 - 0.05 / num_tests)
        )
        value = float(values.mean())
        low, high = simultaneous_interval(value, near, far, 80.0, 0.95, num_tests)
        assert value - low == pytest.approx(value - exact[0], rel=0.05)
        if interval is drop_intervals or lost >= 20:  # the long end of few large losses is no smooth function of level
            assert high - value == pytest.approx(exact[1] - value, rel=0.05)
