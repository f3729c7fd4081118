"""Contents in two forms: values by hand, slow versions, levels under nulls that repeat contents and share templates."""

from itertools import permutations

import numpy as np
import pytest

from lode.statistics.alignment import (
    centred,
    centred_within,
    cka,
    cka_null,
    content_kernel,
    kernel,
    over_spread,
    permuted_partners,
    retrieval,
    retrieval_null,
)
from lode.statistics.content import design_of, effects, is_defined

#: Samples of each of 20 words, as 60 samples of `same_content_*` have them.
COUNTS = (2, 6, 1, 2, 6, 5, 1, 3, 2, 2, 3, 4, 2, 1, 5, 2, 3, 1, 4, 5)
WORDS = np.repeat(np.arange(20), COUNTS)


def plain_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased CKA without a design."""
    return cka(centred(kernel(x)), centred(kernel(y)))


def biased_cka(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(0), y - y.mean(0)
    return float((x.T @ y).__pow__(2).sum() / np.sqrt(((x.T @ x) ** 2).sum() * ((y.T @ y) ** 2).sum()))


def test_the_product_of_centred_kernels_is_a_u_statistic() -> None:
    """Mean over all i, j, q, r that differ of K_ij (L_ij + L_qr - 2 L_iq): Song et al. 2012, eq. 4."""
    rng = np.random.default_rng(0)
    first, second = kernel(rng.normal(size=(6, 3))), kernel(rng.normal(size=(6, 2)))
    terms = [first[i, j] * (second[i, j] + second[q, r] - 2 * second[i, q]) for i, j, q, r in permutations(range(6), 4)]
    product = (centred(first) * centred(second)).sum() / (6 * 3)
    assert product == pytest.approx(np.mean(terms))
    np.testing.assert_allclose(centred(first).sum(0), 0, atol=1e-12)


def test_cka_identities() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 10))
    turn = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    y = x[:, :4] + rng.normal(size=(40, 4))
    assert plain_cka(x, x) == pytest.approx(1)
    assert plain_cka(7 * x @ turn + 2, y) == pytest.approx(plain_cka(x, y))
    assert 0.1 < plain_cka(x, y) < 1


def test_the_biased_one_is_high_where_nothing_is_alike() -> None:
    """x = 0..3 and its squares: corr^2 = 0.918367. Independent, n = 80, d = 128: biased 0.6, unbiased about 0."""
    x = np.arange(4.0)[:, None]
    assert biased_cka(x, x**2) == pytest.approx(0.918367, abs=1e-6)
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 80, 128))
    assert biased_cka(a, b) > 0.55
    assert plain_cka(a, b) == pytest.approx(0, abs=0.03)


def test_effects_by_hand() -> None:
    """Two words under two templates, states word + template: 1, 3 and 10 of templates, words 0 and 4: -2 and 2."""
    words, templates = np.array(["a", "a", "b", "b"]), np.array(["p", "q", "p", "r"])
    design = design_of(words, templates)
    states = np.array([[0 + 1.0], [0 + 3], [4 + 1], [4 + 10]])
    np.testing.assert_allclose(effects(design, states)[:, 0], [-2, 2])
    assert design.names.tolist() == ["a", "b"]


def test_effects_are_those_of_least_squares() -> None:
    """What templates add is not in them, and of one template they are the means of contents less their mean."""
    rng = np.random.default_rng(3)
    templates = rng.integers(8, size=60)
    design = design_of(WORDS, templates)
    states = rng.normal(size=(60, 5))
    moved = states + 9 * rng.normal(size=(8, 5))[templates]
    np.testing.assert_allclose(effects(design, states), effects(design, moved), atol=1e-9)
    alone = design_of(WORDS, np.zeros(60))
    means = np.stack([states[word == WORDS].mean(0) for word in range(20)])
    np.testing.assert_allclose(effects(alone, states), means - means.mean(0), atol=1e-12)
    np.testing.assert_allclose(np.diag(alone.noise + 0.0), [1 / n - 2 / (20 * n) + sum(1 / k for k in COUNTS) / 400
                                                            for n in COUNTS])  # fmt: skip


def test_contents_are_compared_where_templates_connect_them() -> None:
    """Words a and b share a template, c and d another; e has one of its own, and cannot be told from it."""
    design = design_of(np.array(list("abcde")), np.array(list("ppqqr")))
    assert design.names.tolist() == list("abcd")
    assert design.blocks[0] == design.blocks[1] != design.blocks[2] == design.blocks[3]
    found = effects(design, np.array([[1.0], [3], [10], [14], [7]]))[:, 0]
    np.testing.assert_allclose(found, [-1, 1, -2, 2])


def test_contents_that_do_not_differ_are_undefined() -> None:
    rng = np.random.default_rng(3)
    templates = rng.integers(4, size=60)
    design = design_of(WORDS, templates)
    constant = 1 + 1e-7 * rng.normal(size=(60, 5))
    shown = rng.normal(size=(4, 5))[templates] * (1 + 1e-7 * rng.normal(size=(60, 5)))
    for states in (constant, shown, np.zeros((60, 5))):
        assert not is_defined(effects(design, states), states)
    assert is_defined(effects(design, rng.normal(size=(60, 5))), rng.normal(size=(60, 5)))


def test_a_kernel_has_nothing_of_its_design() -> None:
    rng = np.random.default_rng(4)
    design = design_of(WORDS, rng.integers(8, size=60))
    along = centred(design.noise)
    found = content_kernel(effects(design, rng.normal(size=(60, 5))), design.noise, design.blocks)
    assert (found * along).sum() == pytest.approx(0, abs=1e-12)
    even = design_of(np.arange(20).repeat(2), np.tile([0, 1], 20))  # noise alike in all contents: nothing to take off
    states = effects(even, rng.normal(size=(40, 5)))
    np.testing.assert_allclose(content_kernel(states, even.noise, even.blocks), centred(kernel(states)), atol=1e-12)


def test_kernels_are_centred_within_blocks() -> None:
    """By least squares: off the diagonal, less what is of a row or column within its own block."""
    rng = np.random.default_rng(6)
    blocks = np.repeat([0, 1], [5, 7])
    states = rng.normal(size=(12, 4))
    states -= np.stack([states[blocks == name].mean(0) for name in (0, 1)])[blocks]
    of, off = states @ states.T, ~np.eye(12, dtype=bool)
    columns = []
    for row in range(12):
        mark = np.zeros((12, 12))
        mark[row, blocks == blocks[row]] += 1
        mark[blocks == blocks[row], row] += 1
        columns.append(mark[off])
    expected = np.zeros((12, 12))
    expected[off] = of[off] - np.array(columns).T @ np.linalg.lstsq(np.array(columns).T, of[off], rcond=None)[0]
    np.testing.assert_allclose(centred_within(of, blocks), expected, atol=1e-9)
    np.testing.assert_allclose(centred_within(of, np.zeros(12)), centred(of))
    assert not centred_within(of[:3, :3], np.zeros(3)).any()


@pytest.mark.parametrize("sizes", [(10, 10), (15, 3, 2)])
def test_loud_contents_in_several_blocks_are_not_alike(sizes: tuple[int, ...]) -> None:
    """Unrelated codes, the same contents loud in both forms: centred over all contents a third had p <= 0.05."""
    small, found = [], []
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    contents = np.arange(20).repeat(3)
    for seed in range(120):
        rng = np.random.default_rng(seed)
        templates = 4 * blocks[contents] + rng.integers(4, size=60)
        loud = np.exp(0.5 * rng.normal(size=(20, 1)))
        design = design_of(contents, templates)
        states = [(loud * rng.normal(size=(20, 32)))[contents] + 0.7 * rng.normal(size=(60, 32)) for _ in range(2)]
        first, second = (content_kernel(effects(design, of), design.noise, design.blocks) for of in states)
        small.append(cka_null(first, second, permuted_partners(design.blocks, 99, seed)).p_value <= 0.05)
        found.append(cka(first, second))
    assert np.mean(small) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 120)
    assert np.mean(found) == pytest.approx(0, abs=0.05)


def test_retrieval_by_hand() -> None:
    """Three contents, all found; with two exchanged, one of three."""
    x = np.array([[1.0, 0], [0, 1], [-1, -1]])
    assert retrieval(x, 3 * x + 5) == 1
    assert retrieval(x, x[[1, 0, 2]]) == pytest.approx(1 / 3)


def test_a_null_is_made_of_permuted_contents() -> None:
    """Of one block, the p-value of equal forms is the smallest there is."""
    states = centred(kernel(np.random.default_rng(4).normal(size=(20, 5))))
    null = cka_null(states, states, permuted_partners(np.zeros(20), 99, 0))
    assert null.p_value == 0.01
    assert null.high < 0.5


def test_nulls_by_slow_versions() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 4))
    y = x + rng.normal(size=(12, 4))
    partners = permuted_partners(np.repeat([0, 1], 6), 19, 2)
    first = centred(kernel(x))
    told = [over_spread(first, centred(kernel(y[draw]))) for draw in partners]
    seen, second = over_spread(first, centred(kernel(y))), centred(kernel(y))
    null = cka_null(first, second, partners)
    unit = cka(first, second) / seen
    assert null.high == pytest.approx(np.quantile(told, 0.95) * unit)
    assert null.p_value == pytest.approx((1 + sum(draw >= seen - 1e-6 for draw in told)) / 20)
    shares = [retrieval(x, y[draw]) for draw in partners]
    found = retrieval_null(x, y, partners)
    assert found.high == pytest.approx(np.quantile(shares, 0.95))
    assert found.p_value == pytest.approx((1 + sum(draw >= retrieval(x, y) - 1e-9 for draw in shares)) / 20)


def test_permuted_partners_stay_in_their_block() -> None:
    blocks = np.array(["b", "a", "b", "a", "a", "c"])
    partners = permuted_partners(blocks, 200, 1)
    np.testing.assert_array_equal(np.sort(partners, axis=1), np.tile(np.arange(6), (200, 1)))
    assert (blocks[partners] == blocks).all()
    assert len(np.unique(partners, axis=0)) == 2 * 6


def share_of_small(width: int, code: float, noise: float, share: float, template: float = 2.0) -> list[float]:
    """How often p <= 0.05 by CKA and by retrieval: 60 samples of 20 words and 8 templates that both forms have alike.

    Args:
        width: of states.
        code, noise: length of the codes of words, and of what is particular of a sample.
        share: of the codes that both forms have alike.
        template: length of what templates add.
    """
    small = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        templates = rng.integers(8, size=60)
        shown, alike = template * rng.normal(size=(8, width)), rng.normal(size=(20, width))
        states = [
            code * (share * alike + (1 - share) * rng.normal(size=(20, width)))[WORDS]
            + shown[templates] + noise * rng.normal(size=(60, width))
            for _ in range(2)
        ]  # fmt: skip
        design = design_of(WORDS, templates)
        x, y = (effects(design, of) for of in states)
        partners = permuted_partners(design.blocks, 99, seed)
        kernels = [content_kernel(of, design.noise, design.blocks) for of in (x, y)]
        nulls = cka_null(kernels[0], kernels[1], partners), retrieval_null(x, y, partners)
        small.append([null.p_value <= 0.05 for null in nulls])
    return list(np.mean(small, axis=0))


@pytest.mark.parametrize("width", [8, 128])
@pytest.mark.parametrize(("code", "noise"), [(1.0, 0.5), (1.0, 1.0), (1.0, 2.0), (0.0, 1.0)])
def test_unrelated_codes_that_repeat_hold_their_level(width: int, code: float, noise: float) -> None:
    """Each form has a code of its own for every word: by samples each with their partner, all of these have p 0.01."""
    assert max(share_of_small(width, code, noise, share=0)) <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 120)


@pytest.mark.parametrize("width", [8, 128])
def test_shared_codes_are_found(width: int) -> None:
    assert min(share_of_small(width, 1.0, 1.0, share=1)) >= 0.9


def test_contents_of_one_sample_hold_their_level_and_are_found() -> None:
    """Partners of one template are permuted: templates that both forms share are no content."""
    small: dict[float, list[list[bool]]] = {0.0: [], 1.0: []}
    for share, found in small.items():
        for seed in range(80):
            rng = np.random.default_rng(seed)
            templates = np.repeat(np.arange(4), 10)
            shown, alike = rng.normal(size=(4, 6))[templates], rng.normal(size=(40, 6))
            design = design_of(np.arange(40), templates)
            x, y = (effects(design, 2 * shown + share * alike + rng.normal(size=(40, 6))) for _ in range(2))
            partners = permuted_partners(design.blocks, 99, seed)
            kernels = [content_kernel(of, design.noise, design.blocks) for of in (x, y)]
            nulls = cka_null(kernels[0], kernels[1], partners), retrieval_null(x, y, partners)
            found.append([null.p_value <= 0.05 for null in nulls])
    assert (np.mean(small[0.0], axis=0) <= 0.1).all()
    assert (np.mean(small[1.0], axis=0) >= 0.85).all()
