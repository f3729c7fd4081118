"""What a switch of neurons is to whoever runs forward passes: a context around them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor

#: Gives the context of an intervention for forward passes: what their tokens are, and which rows of the samples at hand
#: they are of.
Switch = Callable[[Tensor, Sequence[int]], AbstractContextManager[None]]


def untouched(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
    """No neuron is switched."""
    del tokens, rows
    return nullcontext()
