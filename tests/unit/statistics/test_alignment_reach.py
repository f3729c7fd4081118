"""Paired contents and nearest tokens: values by hand, slow versions, levels under the null."""

from itertools import permutations

import numpy as np
import pytest

from lode.statistics.alignment import (
    cka_null,
    is_defined,
    kernel,
    kernel_cka,
    permuted_partners,
    retrieval,
    retrieval_null,
    unbiased_cka,
    unbiased_hsic,
)
from lode.statistics.reach import Tokens, longest_run, matched_draws, reach


def biased_cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(0), y - y.mean(0)
    return float((x.T @ y).__pow__(2).sum() / np.sqrt(((x.T @ x) ** 2).sum() * ((y.T @ y) ** 2).sum()))


def test_hsic_is_its_u_statistic() -> None:
    """Mean over all i, j, q, r that differ of K_ij (L_ij + L_qr - 2 L_iq): Song et al. 2012, eq. 4."""
    rng = np.random.default_rng(0)
    first, second = kernel(rng.normal(size=(6, 3))), kernel(rng.normal(size=(6, 2)))
    terms = [first[i, j] * (second[i, j] + second[q, r] - 2 * second[i, q]) for i, j, q, r in permutations(range(6), 4)]
    assert unbiased_hsic(first, second) == pytest.approx(np.mean(terms))


def test_cka_identities() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 10))
    turn = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    y = x[:, :4] + rng.normal(size=(40, 4))
    assert unbiased_cka(x, x) == pytest.approx(1)
    assert unbiased_cka(7 * x @ turn + 2, y) == pytest.approx(unbiased_cka(x, y))
    assert 0.1 < unbiased_cka(x, y) < 1


def test_the_biased_one_is_high_where_nothing_is_alike() -> None:
    """x = 0..3 and its squares: corr^2 = 0.918367. Independent, n = 80, d = 128: biased 0.6, unbiased about 0."""
    x = np.arange(4.0)[:, None]
    assert biased_cka(x, x**2) == pytest.approx(0.918367, abs=1e-6)
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 80, 128))
    assert biased_cka(a, b) > 0.55
    assert unbiased_cka(a, b) == pytest.approx(0, abs=0.03)


def test_constant_states_are_undefined() -> None:
    rng = np.random.default_rng(3)
    constant = np.ones((20, 5)) + 1e-5 * rng.normal(size=(20, 5))
    assert not is_defined(constant)
    assert not is_defined(np.zeros((20, 5)))
    assert np.isnan(unbiased_cka(constant, rng.normal(size=(20, 5))))


def test_retrieval_by_hand() -> None:
    """Three contents; the third pair is exchanged with none: partners found, chance 1 / 3; reversed: one of three."""
    x = np.array([[1.0, 0], [0, 1], [-1, -1]])
    contents = np.array(["a", "b", "c"])
    assert retrieval(x, 3 * x + 5, contents) == (1, pytest.approx(1 / 3))
    assert retrieval(x, x[[1, 0, 2]], contents)[0] == pytest.approx(1 / 3)
    assert retrieval(x, x[[1, 0, 2]], np.array(["a", "a", "c"])) == (1, pytest.approx(5 / 9))


def test_permuted_partners_hold_their_level_and_find_content() -> None:
    """Partners that share a template alone are no content; 5 % of null studies have p <= 0.05, but for chance."""
    blocks = np.repeat(np.arange(4), 10)
    p_values: dict[float, list[float]] = {0.0: [], 1.0: []}
    for share, found in p_values.items():
        for seed in range(80):
            rng = np.random.default_rng(seed)
            template, content = rng.normal(size=(4, 6))[blocks], rng.normal(size=(40, 6))
            x, y = (2 * template + share * content + rng.normal(size=(40, 6)) for _ in range(2))
            found.append(cka_null(x, y, permuted_partners(blocks, 99, seed)).p_value)
    assert np.mean(np.array(p_values[0.0]) <= 0.05) <= 0.1
    assert np.mean(np.array(p_values[1.0]) <= 0.05) >= 0.9


def test_a_null_is_made_of_permuted_partners() -> None:
    """Of one block of pairs, the p-value of equal forms is the smallest there is."""
    x = np.random.default_rng(4).normal(size=(20, 5))
    null = cka_null(x, x, permuted_partners(np.zeros(20), 99, 0))
    assert null.p_value == 0.01
    assert null.high < 0.5
    assert kernel_cka(kernel(x), kernel(x)) == pytest.approx(1)


def test_permuted_partners_stay_in_their_block() -> None:
    blocks = np.array(["b", "a", "b", "a", "a", "c"])
    partners = permuted_partners(blocks, 200, 1)
    np.testing.assert_array_equal(np.sort(partners, axis=1), np.tile(np.arange(6), (200, 1)))
    assert (blocks[partners] == blocks).all()
    assert len(np.unique(partners, axis=0)) == 2 * 6


def test_a_null_of_cka_and_of_retrieval_by_slow_versions() -> None:
    rng = np.random.default_rng(5)
    blocks, contents = np.repeat(["p", "q"], 6), np.array(list("abcabcddefgh"))
    x = rng.normal(size=(12, 4))
    y = x + rng.normal(size=(12, 4))
    partners = permuted_partners(blocks, 19, 2)
    ckas = [unbiased_cka(x, y[draw]) for draw in partners]
    shares = [retrieval(x, y[draw], contents)[0] for draw in partners]
    for null, seen, draws in (
        (cka_null(x, y, partners), unbiased_cka(x, y), ckas),
        (retrieval_null(x, y, contents, partners), retrieval(x, y, contents)[0], shares),
    ):
        assert null.high == pytest.approx(np.quantile(draws, 0.95))
        assert null.p_value == pytest.approx((1 + sum(draw >= seen - 1e-9 for draw in draws)) / 20)


def test_what_templates_retrieve_is_no_content() -> None:
    """States of four templates with a word each: all partners are found, and as many with words exchanged."""
    words, blocks = np.array(list("abcd") * 5), np.array(list("abcd") * 5)
    states = np.eye(4)[np.tile(np.arange(4), 5)]
    assert retrieval(states, states, words)[0] == 1
    assert retrieval_null(states, states, words, permuted_partners(blocks, 19, 0)).p_value == 1


def test_rounding_is_no_content() -> None:
    """States that are equal within a template but for rounding, as those of blank pictures are: every draw is a tie."""
    rng = np.random.default_rng(6)
    blocks = np.repeat(np.arange(4), 10)
    x = rng.normal(size=(40, 5))
    y = rng.normal(size=(4, 5))[blocks] * (1 + 1e-7 * rng.normal(size=(40, 5)))
    partners = permuted_partners(blocks, 99, 0)
    assert np.ptp([unbiased_cka(x, y[draw]) for draw in partners]) > 0
    assert cka_null(x, y, partners).p_value == 1


def tokens(states: list[list[float]], clusters: list[str], ids: list[int]) -> Tokens:
    return Tokens(np.array(states, dtype=float), np.array(clusters), np.array(ids), np.arange(len(ids)))


def test_reach_by_hand() -> None:
    """The nearest of another sample and another id; duplicates of one sample change nothing."""
    query = tokens([[1, 0]], ["s"], [7])
    assert reach(query, tokens([[2, 0]], ["t"], [8]))[0] == 1
    bank = tokens([[2, 0], [1, 1], [0, 1]], ["t", "u", "v"], [7, 8, 9])
    assert reach(query, bank)[0] == pytest.approx(np.sqrt(0.5))
    same = tokens([[2, 0], [1, 1], [0, 1], [1, 0], [1, 0]], ["t", "u", "v", "s", "s"], [7, 8, 9, 10, 11])
    assert reach(query, same)[0] == pytest.approx(np.sqrt(0.5))
    assert np.isnan(reach(query, tokens([[1, 0]], ["s"], [8]))[0])
    medium = tokens([[1, 0]], ["s"], [-1])
    assert reach(medium, tokens([[2, 0]], ["t"], [-1]))[0] == 1


def test_draws_are_matched() -> None:
    """Tokens at the end of prompts, of a common id, are matched to those of the bank that are there too."""
    rng = np.random.default_rng(5)
    bank = Tokens(rng.normal(size=(200, 2)), np.arange(200), np.arange(200), np.arange(200))
    late = Tokens(rng.normal(size=(10, 2)), np.arange(10), np.arange(1000, 1010), np.arange(190, 200))
    draws = matched_draws(late, bank, 50, 1)
    assert draws.shape == (50, 10)
    assert bank.positions[draws].min() >= 170
    common = bank._replace(ids=np.where(np.arange(200) % 2, 5, np.arange(200) + 10))
    frequent = late._replace(ids=np.full(10, 5))
    assert (common.ids[matched_draws(frequent, common, 50, 1)] == 5).mean() > 0.9


def test_the_longest_run() -> None:
    assert longest_run(np.array([True, False, True, True, False])) == 2
    assert longest_run(np.array([False])) == 0
