"""What of states is of their content, where samples have a template besides: effects of contents by least squares.

A state is taken for a content, a template and noise: x_i = a(content of i) + b(template of i) + e_i. The least squares
a is G X, with noise of covariance G G' between contents, whatever the states. It is known up to a constant among
contents that templates connect (two that a template shows, and so on): each such block is less its mean, and compared
within itself alone. A content that no other is connected with cannot be told from its templates, and is left out. What
a content adds under one template alone is not in it. Source: docs/methods.md 7.12.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

#: Below this share of the mean square, what contents differ by is rounding: nothing is defined.
LEAST_VARIANCE = 1e-9


class Design(NamedTuple):
    """Which samples are of which content, and how effects of contents are had from them.

    Attributes:
        names: of the contents that can be told from templates.
        weights: of each sample in the effect of each content.
        blocks: of contents that are connected.
    """

    names: Shaped[np.ndarray, " content"]
    weights: Float[np.ndarray, "content sample"]
    blocks: Int[np.ndarray, " content"]

    @property
    def noise(self) -> Float[np.ndarray, "content content"]:
        """The covariance of effects of samples that are noise alone."""
        return np.asarray(self.weights @ self.weights.T)


def design_of(contents: Shaped[np.ndarray, " sample"], templates: Shaped[np.ndarray, " sample"]) -> Design:
    """From the content and the template of every sample."""
    (names, content), (shown, template) = (np.unique(of, return_inverse=True) for of in (contents, templates))
    columns = np.concatenate([np.eye(len(names))[content], np.eye(len(shown))[template]], axis=1)
    edges = coo_array((np.ones(len(content)), (content, len(names) + template)), shape=(columns.shape[1],) * 2)
    blocks = connected_components(edges, directed=False)[1][: len(names)]
    weights = np.linalg.pinv(columns)[: len(names)]
    same = np.equal.outer(blocks, blocks).astype(float)
    weights = weights - same @ weights / same.sum(1, keepdims=True)
    kept = same.sum(1) > 1
    return Design(names[kept], weights[kept], blocks[kept])


def effects(design: Design, states: Float[np.ndarray, "sample value"]) -> Float[np.ndarray, "content value"]:
    """What is of each content, less the mean of its block."""
    return np.asarray(design.weights @ states)


def is_defined(found: Float[np.ndarray, "content value"], states: Float[np.ndarray, "sample value"]) -> bool:
    """Whether contents differ by more than rounding: those of blank media, or of an input that all share, do not."""
    square = np.square(states).mean()
    return bool(len(found) and square > 0 and np.square(found).mean() / square >= LEAST_VARIANCE)
