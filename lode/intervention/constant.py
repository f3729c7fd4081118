"""Constant: the activation of a neuron is one given number at every token, whatever the input.

Source: docs/methods.md 3.1. With value 0 it is `zero`, up to rounding. One number for all neurons is far from what some
of them usually have; `class_mean` gives each its own.
"""

import torch
from torch import Tensor

from lode.intervention import View

NEEDS: tuple[str, ...] = ()
IN_WEIGHTS = False


def new_values(view: View, value: float) -> Tensor:
    """The same number everywhere.

    Args:
        view: the activations.
        value: the number [activation].
    """
    return torch.full_like(view.chosen, value)
