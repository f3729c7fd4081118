"""Are the same contents in two forms alike? Unbiased linear CKA and retrieval of partners, over pairs (X, Y).

CKA: K = X X', L = Y Y' with zero diagonals, HSIC = (tr K L + 1'K 1 1'L 1 / ((n - 1)(n - 2)) - 2 1'K L 1 / (n - 2)) /
(n (n - 3)), CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)): at most 1, about 0 of independent states (the biased one
is 0.63 there at n = 80 and 128 values). Retrieval: share of X whose nearest Y, by cosine of states less the mean of
their form, has the same content. Source: Song et al. 2012, Nguyen et al. 2021; docs/methods.md 7.12.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from lode.statistics.significance import rank_p_value

States = Float[np.ndarray, "pair value"]
#: The other form, which may be of another width.
Other = Float[np.ndarray, "pair other"]
Kernel = Float[np.ndarray, "pair pair"]
Partners = Int[np.ndarray, "draw pair"]
#: Below this variance over mean square, states are all one but for rounding: nothing is defined.
LEAST_VARIANCE = 1e-6
FEWEST_PAIRS = 4
#: Two CKAs this near are equal: where forms differ by their templates alone, draws differ by the rounding of states.
ROUNDING = 1e-6


class Null(NamedTuple):
    """A statistic under permuted partners: its 95 % point, and the p-value of what was seen."""

    high: float
    p_value: float


def is_defined(states: States) -> bool:
    """Whether states differ: at the input of the first layer, those of a last token that all prompts share do not."""
    square = np.square(states).mean()
    return bool(square > 0 and states.var(axis=0).mean() / square >= LEAST_VARIANCE)


def kernel(states: States) -> Kernel:
    """Products of states less their mean, with a zero diagonal; the estimate is the same for every common shift."""
    centred = states - states.mean(0)
    found = centred @ centred.T
    np.fill_diagonal(found, 0)
    return found


def unbiased_hsic(first: Kernel, second: Kernel) -> float:
    """HSIC of two kernels with zero diagonals, of at least 4 pairs."""
    n = len(first)
    assert n >= FEWEST_PAIRS, "an unbiased HSIC needs at least 4 pairs"
    sums = first.sum() * second.sum() / ((n - 1) * (n - 2)) - 2 * (first.sum(0) @ second.sum(0)) / (n - 2)
    return float(((first * second).sum() + sums) / (n * (n - 3)))


def unbiased_cka(x: States, y: Other) -> float:
    """Linear CKA of paired states; NaN where one form has no variance."""
    return float(kernel_cka(kernel(x), kernel(y))) if is_defined(x) and is_defined(y) else float("nan")


def kernel_cka(first: Kernel, second: Kernel) -> float:
    """The same of kernels; NaN where an own HSIC, which may be below 0 by chance, is not positive."""
    own = unbiased_hsic(first, first), unbiased_hsic(second, second)
    return unbiased_hsic(first, second) / float(np.sqrt(own[0] * own[1])) if min(own) > 0 else float("nan")


def retrieval(x: States, y: Other, contents: Shaped[np.ndarray, " pair"]) -> tuple[float, float]:
    """Share of X whose nearest Y has the same content, and what chance gives.

    Args:
        x, y: partners in two forms.
        contents: what is the same in both; several pairs may share it.
    """
    same = np.equal.outer(contents, contents)
    return float((contents == contents[nearest_partner(x, y)]).mean()), float(same.mean())


def nearest_partner(x: States, y: Other) -> Int[np.ndarray, " pair"]:
    """Of each X the Y of the largest cosine, each form less its mean."""
    units = [_unit(states - states.mean(0)) for states in (x, y)]
    return np.asarray((units[0] @ units[1].T).argmax(1))


def _unit(states: States) -> States:
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    return np.asarray(states / np.where(lengths > 0, lengths, 1))


def permuted_partners(blocks: Shaped[np.ndarray, " pair"], count: int, seed: int) -> Partners:
    """Of each X another Y of its block, such as those of one template, so that only content pairs.

    Args:
        blocks: of each pair; of one pair alone nothing is permuted.
        count: permutations.
        seed: of these.
    """
    rng, order = np.random.default_rng(seed), np.argsort(blocks, kind="stable")
    found = np.empty((count, len(blocks)), dtype=int)
    for draw in found:
        draw[order] = np.lexsort((rng.random(len(blocks)), blocks))
    return found


def cka_null(x: States, y: Other, partners: Partners) -> Null:
    """CKA with permuted partners.

    Args:
        x, y: partners; both defined.
        partners: of each draw, the Y of each X.
    """
    first, second = kernel(x), kernel(y)
    length = np.sqrt(unbiased_hsic(first, first) * unbiased_hsic(second, second))
    draws = [unbiased_hsic(first, second[np.ix_(draw, draw)]) / length for draw in partners]
    return beside(kernel_cka(first, second), np.array(draws))


def retrieval_null(x: States, y: Other, contents: Shaped[np.ndarray, " pair"], partners: Partners) -> Null:
    """Retrieval with permuted partners: what templates, which stay together, retrieve of contents by themselves."""
    found, told = nearest_partner(x, y), np.empty_like(partners)
    np.put_along_axis(told, partners, np.arange(len(contents))[None], axis=1)  # the X of each Y
    return beside(retrieval(x, y, contents)[0], (contents[told[:, found]] == contents).mean(1))


def beside(seen: float, draws: Float[np.ndarray, " draw"]) -> Null:
    """What was seen beside its draws."""
    return Null(float(np.quantile(draws, 0.95)), rank_p_value(seen - ROUNDING, draws))
