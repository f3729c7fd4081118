"""Sham: the set itself under an intervention that multiplies by 1, so that nothing may change, bit for bit.

One draw. It proves that hooks, batches and decoding of the ablation stage have no effect of their own: any drop but 0
is a defect of the machinery. It says nothing of the set. Source: docs/methods.md 3.4.
"""

from collections.abc import Iterator

from lode.control import Selected
from lode.neurons import Pairs


def controls(selected: Selected, num_draws: int, seed: int) -> Iterator[dict[str, Pairs]]:
    """The sets themselves; the ablation stage knows the kind and scales by 1."""
    del num_draws, seed
    yield dict(selected.sets)
