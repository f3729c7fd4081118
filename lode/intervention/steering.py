"""Steering: to the activation of a neuron is added a multiple of its difference of means between groups.

a + strength * (mu[m, n] - mean of mu over the other groups), with mu as in `class_mean`. Strength -1 moves
tokens of m to where the others are on average, 1 moves the others to where m is, 0 changes nothing. Source:
docs/methods.md 3.1 and 3.3. What varies from token to token stays. For the set `all`, its controls and the set `prompt`
the difference is 0 and nothing changes: look at the other sets.
"""

from torch import Tensor

from lode.intervention import View

NEEDS: tuple[str, ...] = ("class_means",)
IN_WEIGHTS = False


def new_values(view: View, strength: float = -1.0) -> Tensor:
    """The activations, moved.

    Args:
        view: the activations.
        strength: how many differences of means are added.
    """
    return view.chosen + strength * (view.own_mean - view.other_mean)
