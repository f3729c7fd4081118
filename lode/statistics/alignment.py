"""Are the same contents in two forms alike? Unbiased linear CKA and retrieval, of contents and not of samples.

Samples of one content (or one template) are alike in either form whatever they share, so contents are compared:
`lode/statistics/content.py` gives what is of each content. CKA: kernels K = X X', L = Y Y' of contents, U-centred (zero
diagonal, rows that sum to 0) within each block of contents that templates connect, each less its part along the kernel
of the design alone, which is the noise that both forms have alike; CKA = <K, L> / (|K| |L|), at most 1, about 0 of
unrelated codes. Without a design it is the unbiased CKA of HSIC(K, L) = <K, L> / (n (n - 3)). Null: whole contents
permuted, within blocks; ranked is <K, L> over its own spread, sqrt(sum K^2 L^2), as contents of fewer samples are
noisier in both forms. Retrieval: share of X whose nearest Y by cosine is the same content. Source: Song et al. 2012,
Szekely & Rizzo 2014 (partial), DiCiccio & Romano 2017 (spread); docs/methods.md 7.12.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from lode.statistics.significance import rank_p_value

States = Float[np.ndarray, "content value"]
#: The other form, which may be of another width.
Other = Float[np.ndarray, "content other"]
Kernel = Float[np.ndarray, "content content"]
Partners = Int[np.ndarray, "draw content"]
#: Of fewer contents a kernel has next to no entries of its own.
FEWEST_CONTENTS = 6
#: Two values this near are equal: draws differ by the rounding of states.
ROUNDING = 1e-6


class Null(NamedTuple):
    """A statistic under permuted contents: its 95 % point, and the p-value of what was seen."""

    high: float
    p_value: float


def kernel(states: States) -> Kernel:
    """Products of states; the diagonal is left out by `centred`."""
    centre = states - states.mean(0)
    return np.asarray(centre @ centre.T)


def centred(of: Kernel) -> Kernel:
    """With a zero diagonal and rows that sum to 0: U-centred; all 0 of fewer than 4 rows."""
    n = len(of)
    if n < 4:
        return np.zeros_like(of)
    apart = of - np.diag(np.diag(of))
    rows = apart.sum(0) / (n - 2)
    found = apart - rows[:, None] - rows[None] + apart.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(found, 0)
    return np.asarray(found)


def centred_within(of: Kernel, blocks: Shaped[np.ndarray, " content"]) -> Kernel:
    """A kernel whose blocks have been less their means each, U-centred within each.

    The square of a content is left out of its block with the diagonal, and comes back in the rest of its row, which
    sums to 0 with it: without this, contents that are loud in both forms would look alike in both.
    """
    found = of.copy()
    for name in np.unique(blocks):
        own = np.flatnonzero(blocks == name)
        found[np.ix_(own, own)] = centred(of[np.ix_(own, own)])
    return found


def content_kernel(states: States, design: Kernel, blocks: Shaped[np.ndarray, " content"]) -> Kernel:
    """The kernel of states, U-centred within blocks, less its part along that of the design.

    Args:
        states: of each content, less the mean of its block.
        design: what products of noise are like, whatever the states: of contents that share samples of a template.
        blocks: of each content.
    """
    found, along = centred_within(states @ states.T, blocks), centred_within(design, blocks)
    length = float(np.square(along).sum())
    if length <= ROUNDING * float(np.square(design).sum()):
        return found  # as of templates that all contents have alike: nothing to take off
    return np.asarray(found - (found * along).sum() / length * along)


def cka(first: Kernel, second: Kernel) -> float:
    """Of U-centred kernels; NaN where one is 0."""
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / length if length > 0 else float("nan")


def over_spread(first: Kernel, second: Kernel) -> float:
    """The product of kernels over its own spread; 0 of nothing."""
    products = first * second
    spread = float(np.linalg.norm(products))
    return float(products.sum()) / spread if spread > 0 else 0.0


def cka_null(first: Kernel, second: Kernel, partners: Partners) -> Null:
    """CKA with permuted contents.

    Args:
        first, second: U-centred kernels of two forms.
        partners: of each draw, the content of the second that stands for each of the first.
    """
    draws = np.array([over_spread(first, second[np.ix_(draw, draw)]) for draw in partners])
    unit = np.linalg.norm(first * second) / (np.linalg.norm(first) * np.linalg.norm(second))
    return Null(float(np.quantile(draws, 0.95) * unit), rank_p_value(over_spread(first, second) - ROUNDING, draws))


def nearest_partner(x: States, y: Other) -> Int[np.ndarray, " content"]:
    """Of each X the Y of the largest cosine, each form less its mean."""
    units = [_unit(states - states.mean(0)) for states in (x, y)]
    return np.asarray((units[0] @ units[1].T).argmax(1))


def _unit(states: States) -> States:
    lengths = np.linalg.norm(states, axis=1, keepdims=True)
    return np.asarray(states / np.where(lengths > 0, lengths, 1))


def retrieval(x: States, y: Other) -> float:
    """Share of contents whose nearest in the other form is the same."""
    return float((nearest_partner(x, y) == np.arange(len(x))).mean())


def retrieval_null(x: States, y: Other, partners: Partners) -> Null:
    """Retrieval with permuted contents."""
    draws = (partners == nearest_partner(x, y)).mean(1)
    return Null(float(np.quantile(draws, 0.95)), rank_p_value(retrieval(x, y), draws))


def permuted_partners(blocks: Shaped[np.ndarray, " content"], count: int, seed: int) -> Partners:
    """Of each content another one of its block.

    Args:
        blocks: of each content; of one alone nothing is permuted.
        count: permutations.
        seed: of these.
    """
    rng, order = np.random.default_rng(seed), np.argsort(blocks, kind="stable")
    found = np.empty((count, len(blocks)), dtype=int)
    for draw in found:
        draw[order] = np.lexsort((rng.random(len(blocks)), blocks))
    return found
