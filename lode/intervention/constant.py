"""Constant: the activation of a neuron is one given number at every token, whatever the input.

Source: docs/methods.md 3.1. With value 0 it is `zero`, up to rounding. One number for all neurons is far from what some
of them usually have; `class_mean` gives each its own.
"""

import torch
from torch import Tensor

from lode.intervention import Site

NEEDS: tuple[str, ...] = ()
IN_WEIGHTS = False


def new_values(site: Site, value: float) -> Tensor:
    """The same number everywhere.

    Args:
        site: the activations.
        value: the number [activation].
    """
    return torch.full_like(site.chosen, value)
