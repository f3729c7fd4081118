"""Statistics of effects: values worked by hand, other libraries, and error rates on simulated data of known truth."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from lode.statistics.effect_size import matched_odds_ratio, paired_cohen_d
from lode.statistics.selectivity import specificity_f
from lode.statistics.significance import (
    discordant,
    holm,
    mcnemar_p_value,
    rank_p_value,
    report_p_values,
    smallest_holm_p,
)


def binary(lost, won, kept=0, wrong=0):
    """Scores before and after with so many samples lost, won, right twice and wrong twice."""
    counts = (lost, won, kept, wrong)
    return np.repeat([1.0, 0.0, 1.0, 0.0], counts), np.repeat([0.0, 1.0, 1.0, 0.0], counts)


# --- McNemar


@pytest.mark.parametrize(
    ("lost", "won", "expected"),
    [
        (0, 0, 1),
        (1, 0, 1),  # 2 * 1/2
        (5, 0, 2 / 32),
        (0, 5, 2 / 32),  # two-sided
        (4, 1, 2 * (1 + 5) / 32),
        (3, 3, 1),
        (3, 2, 1),  # 2 * 16/32
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_by_hand(lost, won, expected):
    before, after = binary(lost, won, kept=3, wrong=2)
    assert discordant(before, after) == (lost, won)
    assert mcnemar_p_value(before, after) == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(0, 30)] * 4))
def test_mcnemar_equals_statsmodels(counts):
    lost, won, kept, wrong = counts
    expected = mcnemar([[kept, lost], [won, wrong]], exact=True).pvalue if lost + won else 1
    assert mcnemar_p_value(*binary(*counts)) == pytest.approx(expected)


def test_mcnemar_refuses_what_is_not_binary():
    with pytest.raises(AssertionError, match="binary"):
        mcnemar_p_value(np.array([1.0, 0.5]), np.array([1.0, 0.0]))


def rejections(chance_of_loss, num_studies=2000, num_samples=600):
    """The share of studies with McNemar p <= 0.05; each sample changes with probability 0.5."""
    rng = np.random.default_rng(3)
    count = 0
    for _ in range(num_studies):
        lost = rng.binomial(changed := rng.binomial(num_samples, 0.5), chance_of_loss)
        count += mcnemar_p_value(*binary(lost, changed - lost)) <= 0.05
    return count / num_studies


def test_mcnemar_errs_as_often_as_it_says_and_has_power():
    assert 0.03 <= rejections(0.5) <= 0.055  # exact, so at most 0.05; two standard errors are 0.01
    assert rejections(0.6) > 0.8


# --- rank among controls


def test_rank_p_is_uniform_under_the_null_and_small_when_the_set_does_harm():
    rng = np.random.default_rng(4)
    drops = rng.normal(size=(4000, 20))  # 19 controls: p is one of 1/20 ... 20/20
    p_values = np.array([rank_p_value(row[0], row[1:]) for row in drops])
    counts = np.bincount(np.rint(p_values * 20).astype(int), minlength=21)[1:]
    assert counts.sum() == 4000
    assert np.all(np.abs(counts - 200) < 4.5 * np.sqrt(4000 / 20 * 19 / 20))
    assert np.mean(p_values <= 0.05) == pytest.approx(0.05, abs=0.01)
    harmful = np.array([rank_p_value(row[0] + 3, row[1:]) for row in drops])
    assert np.mean(harmful <= 0.05) > 0.7


def test_rank_p_is_not_too_small_with_ties():
    """Scores of few samples tie often; the p-value must stay valid."""
    rng = np.random.default_rng(5)
    drops = rng.binomial(4, 0.3, size=(4000, 20)) / 4
    p_values = np.array([rank_p_value(row[0], row[1:]) for row in drops])
    for level in (0.05, 0.1, 0.25, 0.5):
        assert np.mean(p_values <= level) <= level + 0.01


# --- Holm


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04], [0.02, 0.04]),
        ([0.04, 0.01], [0.04, 0.02]),
        ([0.03, 0.01, 0.02], [0.04, 0.03, 0.04]),  # 3 * 0.01; 2 * 0.02; 1 * 0.03 raised to the one before
        ([0.5, 0.6], [1, 1]),
        ([0.01, 0.01], [0.02, 0.02]),
    ],
)
def test_holm_by_hand(p_values, expected):
    assert holm(p_values).tolist() == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40).map(lambda i: i / 40), min_size=1, max_size=12))
def test_holm_equals_statsmodels(p_values):
    with patch("gc.collect"):  # `multipletests` collects garbage at every call: a second each where much is loaded
        expected = multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(holm(p_values), expected, rtol=1e-12)


def test_holm_keeps_the_family_wise_error_where_plain_p_values_do_not():
    """Families of 10: 6 true nulls, uniform and correlated through a common part, and 4 strong effects."""
    rng = np.random.default_rng(6)
    from scipy.stats import norm

    wrong = {"plain": 0, "holm": 0}
    found = 0.0
    for _ in range(2000):
        z = 0.6 * rng.normal() + 0.8 * rng.normal(size=6)
        p_values = np.concatenate([norm.sf(z), norm.sf(rng.normal(3.5, 1, 4))])
        adjusted = holm(p_values)
        wrong["plain"] += bool(np.any(p_values[:6] <= 0.05))
        wrong["holm"] += bool(np.any(adjusted[:6] <= 0.05))
        found += np.mean(adjusted[6:] <= 0.05) / 2000
    assert wrong["holm"] / 2000 <= 0.05 + 0.01
    assert wrong["plain"] / 2000 > 0.15
    assert found > 0.7


def test_few_controls_cannot_pass_holm():
    assert smallest_holm_p(20, 16) == pytest.approx(16 / 21)
    assert smallest_holm_p(19, 1) == 0.05
    assert smallest_holm_p(3, 16) == 1
    p_values = [rank_p_value(1.0, [0.0] * 20)] * 16
    assert holm(p_values).min() == pytest.approx(smallest_holm_p(20, 16))


# --- correction over a report


def test_report_p_by_hand():
    """In units: (8, 0, 0, 0, 2) has mean 2 and variance 48 / 5, so z = (1.94, -0.65, -0.65, -0.65, 0).

    (1, 0, 1, 1, 2) has mean 1 and variance 2 / 5, so z = (0, -1.58, 0, 0, 1.58). The largest of each draw: -0.65, 0, 0,
    1.58. The first effect, 1.94, is above all; the second, 0, ties with two and is below one.
    """
    p_values = report_p_values([8.0, 1.0], [[0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 1.0, 2.0]])
    assert p_values.tolist() == [1 / 5, 4 / 5]
    assert report_p_values([10.0, 1.0], [[0.0, 0.0, 0.0, 2.0, 99.0], [0.0, 1.0, 1.0, 2.0]]).tolist() == [1 / 5, 4 / 5]
    assert report_p_values([0.1 + 0.2], [[0.3] * 4]).tolist() == [1]  # nothing differs but by rounding
    assert report_p_values([1.0, 2.0], [[], [0.0]]).tolist() == [1, 1]
    assert report_p_values([], []).tolist() == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=4, max_size=30))
def test_report_p_of_one_test_is_its_rank(values):
    effect, *controls = map(float, values)
    assert report_p_values([effect], [controls])[0] == pytest.approx(rank_p_value(effect, controls))


@pytest.mark.parametrize("kind", ["normal", "heavy", "few values", "dependent sets"])
def test_report_p_keeps_the_family_wise_error(kind):
    """Families of 12, of which 3 matter: a false one among the 9 others in 5 of 100 families at most.

    Of 15,000 families: 0.049, 0.036, 0.038 and 0.044, where 1 / 21 = 0.048 is exact; a standard error here is 0.005.
    """
    rng = np.random.default_rng(8)
    shape = (2000, 12, 21)
    values = {
        "normal": lambda: rng.normal(size=shape),
        "heavy": lambda: rng.standard_t(1.5, shape) ** 3,
        "few values": lambda: rng.binomial(3, 0.1, shape).astype(float),
        "dependent sets": lambda: rng.normal(size=shape),
    }[kind]()
    if kind == "dependent sets":
        values[:, :, 0] = 0.6 * values[:, :, 0] + 0.8 * rng.normal(size=(2000, 1))
    values[:, :3, 0] += 6
    p_values = np.array([report_p_values(of[:, 0].tolist(), of[:, 1:].tolist()) for of in values])
    assert np.mean((p_values[:, 3:] < 0.05).any(axis=1)) <= 0.05 + 0.01
    if kind == "normal":
        assert np.mean(p_values[:, :3] < 0.05) > 0.7
        ranks = np.array([[rank_p_value(row[0], row[1:]) for row in of[3:]] for of in values[:100]])
        assert np.mean((ranks < 0.05).any(axis=1)) > 0.2  # not corrected


# --- effect sizes


def test_cohen_d_by_hand():
    # Differences 1, 0, 0, 1: mean 1/2, variance (4 * 1/4) / 3 = 1/3.
    before, after = np.array([1.0, 1, 0, 1]), np.array([0.0, 1, 0, 0])
    assert paired_cohen_d(before, after) == pytest.approx(0.5 * np.sqrt(3))
    assert paired_cohen_d(after, before) == pytest.approx(-0.5 * np.sqrt(3))
    assert paired_cohen_d(before, before) is None
    assert paired_cohen_d(before, before - 0.25) is None
    assert paired_cohen_d(before[:1], after[:1]) is None


def test_cohen_d_is_the_paired_t_over_the_root_of_n():
    before, after = np.random.default_rng(0).random((2, 30))
    assert paired_cohen_d(before, after) == pytest.approx(ttest_rel(before, after).statistic / np.sqrt(30))


def test_odds_ratio_by_hand():
    assert matched_odds_ratio(*binary(7, 2, kept=9)) == pytest.approx(7.5 / 2.5)
    assert matched_odds_ratio(*binary(0, 0, kept=9)) == 1
    assert matched_odds_ratio(*binary(3, 0)) == pytest.approx(7)
    assert matched_odds_ratio(np.array([0.5]), np.array([1.0])) is None


# --- selectivity


def test_specificity_by_hand():
    own, clean = np.array([True, False]), np.array([0.8, 0.9])
    # P = 0.4 / (0.4 + 0.1) = 0.8, R = 0.4 / 0.8 = 0.5, F = 0.8 / 1.3.
    assert specificity_f(np.array([0.4, 0.1]), clean, own) == pytest.approx(0.8 / 1.3)
    assert specificity_f(np.array([0.8, -0.2]), clean, own) == 1  # all of its own, nothing elsewhere (clipped)
    assert specificity_f(np.array([-0.1, 0.3]), clean, own) == 0
    assert specificity_f(np.array([0.0, 0.0]), np.array([0.0, 0.9]), own) == 0
