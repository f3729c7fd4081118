"""Resample: a neuron takes the activations that it has in another sample of the benchmark.

Each sample has one donor, drawn with the seed from all samples of the benchmark, whatever the batch: each donates once,
never to itself, and to a sample of another cluster (another image, say) where there are enough. As lengths differ, a
token takes the mean over the donor's tokens of its own group in a clean prefill pass, and a token of the reply the
mean over the donor's text. What the neuron knows of *this* sample is gone, its usual level is not. Source:
docs/methods.md 3.1 and 3.3. It does not swap the order or variation of tokens within a group: of these nothing is
left.
"""

from torch import Tensor

from lode.intervention import View

NEEDS: tuple[str, ...] = ("donors",)
IN_WEIGHTS = False


def new_values(view: View) -> Tensor:
    """The mean of the donor over the group of each token."""
    return view.donor_mean
