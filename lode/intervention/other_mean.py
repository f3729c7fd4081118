"""Other mean: a neuron takes its mean activation over the groups that are not the set's own.

The mean over the other groups of its split that occur, each of the same weight, of mu[m, n] as in `class_mean`: at
tokens of its own group the neuron behaves as if there were something else. Source: docs/methods.md 3.1 and 3.3. The set
`all`, its controls and the set `prompt` have no other group: they take the same mean as under `class_mean`, and tell
nothing of a contrast.
"""

from torch import Tensor

from lode.intervention import View

NEEDS: tuple[str, ...] = ("class_means",)
IN_WEIGHTS = False


def new_values(view: View) -> Tensor:
    """One number for each neuron."""
    return view.other_mean
