"""Scale: the activation of a neuron is multiplied by a number.

Strength 0 switches off (as `zero`, up to rounding), 1 changes nothing, bit for bit (as the sham control), -1 turns the
sign round, above 1 amplifies. Source: docs/methods.md 3.1. It does not tell apart a neuron that is not needed from one
that another replaces.
"""

from torch import Tensor

from lode.intervention import View

NEEDS: tuple[str, ...] = ()
IN_WEIGHTS = False


def new_values(view: View, strength: float = 0.0) -> Tensor:
    """The activations times `strength`.

    Args:
        view: the activations.
        strength: what activations are multiplied by.
    """
    return view.chosen * strength
