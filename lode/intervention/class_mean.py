"""Class mean: a neuron takes its mean activation over tokens of the set's own group.

mu[m, n] = mean over mined samples that hold m of the mean over the tokens of m in the sample; from the importance
table. What it destroys is how the neuron varies, from token to token and sample to sample, not its usual level: on
tokens of m a neuron that says nothing but "this is m" is hardly changed. Source: docs/methods.md 3.1 and 3.3. The set
`all` and its controls take the mean over every token of the prompt.
"""

from torch import Tensor

from lode.intervention import View

NEEDS: tuple[str, ...] = ("class_means",)
IN_WEIGHTS = False


def new_values(view: View) -> Tensor:
    """One number for each neuron."""
    return view.own_mean
