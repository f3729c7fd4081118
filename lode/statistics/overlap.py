"""Do two sets share more neurons than sets drawn from the same layers at random?

docs/methods.md 4.22. No torch and no tables here: sets in, numbers out.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import hypergeom

from lode.neurons import Pairs, by_layer


class Overlap(NamedTuple):
    """What two sets share, and what chance would give.

    Attributes:
        num_shared: neurons of both.
        expected: the mean of two random sets with as many neurons in every layer.
        p_value: that such two share at least as many.
    """

    num_shared: int
    expected: float
    p_value: float


def num_shared(one: Pairs, other: Pairs) -> int:
    """Neurons of both sets."""
    return len(set(map(tuple, one.tolist())) & set(map(tuple, other.tolist())))


def overlap(one: Pairs, other: Pairs, widths: Mapping[int, int]) -> Overlap:
    """What two sets share, against random sets with the same number of neurons in every layer.

    The number shared in a layer is hypergeometric, layers are independent, and the sum is exact by convolution.

    Args:
        one, other: (layer, neuron) pairs.
        widths: neurons of each layer.
    """
    first, second = by_layer(one), by_layer(other)
    pmf = np.ones(1)
    for layer in sorted(first.keys() & second.keys()):
        sizes = len(first[layer]), len(second[layer])
        pmf = np.convolve(pmf, hypergeom.pmf(range(min(sizes) + 1), widths[layer], *sizes))
    shared = num_shared(one, other)
    return Overlap(shared, float(pmf @ np.arange(len(pmf))), min(1.0, float(pmf[shared:].sum())))
