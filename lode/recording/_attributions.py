"""Attributions of neurons to a loss, by group, as sums over samples.

With a the activation of a neuron at the gate site at token t, g = dL/da there on the unchanged ("clean") run, L the
negative log-likelihood of the gold answer, and T the tokens of a group in one sample::

    patching     sum_T (a' - a) g          a' the activation in the run with every medium blank
    act_grad     sum_T |a g|
    can          sum_T |g|^alpha |a|
    integrated   sum_T (a - a0) mean_k g(a0 + s_k (a - a0)),   s_k = (k - 1/2) / K,  a0 = 0; the gradient where the
                 gate site of the whole layer, and of no other, is moved
    target       sum_T h (w . U_y)         h = gate * up, w the neuron's column of down_proj, U_y the row of the
                 language head of the first token y of the gold answer; no gradient

`_sum` adds them over samples, `_abs_sum` their magnitudes: signs of different samples cancel in the first alone.
Tokens of the gold answer itself are in no group. Sources: docs/methods.md 2.9 to 2.11.
"""

from jaxtyping import Bool, Float, Float64
from torch import Tensor

from lode.recording._totals import home_of

Sums = dict[str, Float64[Tensor, "group neuron"]]


def over_tokens(
    values: Float[Tensor, "batch token neuron"], members: Bool[Tensor, "batch group token"]
) -> Float64[Tensor, "batch group neuron"]:
    """Sums over the tokens of each group, kept in double precision; 0 where there are none."""
    return (members.to(values.dtype) @ values).to(home_of(values.device)).double()


def both_sums(name: str, attribution: Float64[Tensor, "batch group neuron"]) -> Sums:
    """The sum over samples of an attribution with its sign, and of its magnitude."""
    return {f"{name}_sum": attribution.sum(0), f"{name}_abs_sum": attribution.abs().sum(0)}


def product_sums(
    activations: Float[Tensor, "batch token neuron"],
    gradients: Float[Tensor, "batch token neuron"],
    members: Bool[Tensor, "batch group token"],
    alpha: float,
) -> Sums:
    """Act x grad, and CAN with the exponent `alpha` in [0, 1]."""
    size, slope = activations.abs(), gradients.abs()
    return {
        "act_grad_sum": over_tokens(size * slope, members).sum(0),
        "can_sum": over_tokens(slope**alpha * size, members).sum(0),
    }


def patching_sums(
    clean: Float[Tensor, "batch token neuron"],
    corrupt: Float[Tensor, "batch token neuron"],
    gradients: Float[Tensor, "batch token neuron"],
    members: Bool[Tensor, "batch group token"],
) -> Sums:
    """Attribution patching: the change of the loss, to first order, when a neuron takes its corrupt activations."""
    return both_sums("patching", over_tokens((corrupt - clean) * gradients, members))


def integrated_sums(
    attribution: Float[Tensor, "batch token neuron"], members: Bool[Tensor, "batch group token"]
) -> Sums:
    """Integrated gradients, already taken along the path."""
    return both_sums("integrated", over_tokens(attribution, members))


def target_sums(
    hidden: Float[Tensor, "batch token neuron"],
    toward: Float[Tensor, "batch neuron"],
    members: Bool[Tensor, "batch group token"],
) -> Sums:
    """Contribution to the target token.

    Args:
        hidden: at the input of down_proj.
        toward: w . U_y, what one unit of each neuron adds to the logit of the sample's target token.
        members: which tokens belong to which group.
    """
    directed = over_tokens(hidden, members) * toward.to(home_of(hidden.device)).double()[:, None]
    return both_sums("target", directed)
