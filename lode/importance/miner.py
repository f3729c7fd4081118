"""MINER importance: five metrics of a neuron's activation over the tokens of one group: a modality, in the paper.

For the tokens T of a group in one sample, activations A (token, neuron), and S = the layer's head-mean
attention restricted to T x T (not renormalised):

- ``prob``: share of tokens with A > 0;  ``mean``, ``max``: over tokens
- ``attn_k``: W = softmax of S over queries; score = sum_q (sum_k W[q, k]) A[q]
- ``attn_q``: W = softmax of S over keys;    score = sum_k (sum_q W[q, k]) A[k]

each followed by min-max over the neurons of the layer, so the range is [0, 1]. Every metric but ``max`` is
one weighted sum over tokens, and no (token, token, neuron) product is formed.

Source: MINER (arXiv 2410.04819), section 3; docs/methods.md 1.1 and 1.2. ``attention_kind="causal"`` is our
own variant: the weight of a token is the attention it receives from later tokens of the group.

What it does not tell: whether a neuron *serves* the group. There is no contrast between groups,
and min-max ties each layer's scale to its single largest neuron.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.engine.errors import UserError, unknown_name
from lode.grouping import Grouping
from lode.importance import ATTENTION_KINDS

#: A range below this share of the largest magnitude is rounding noise of a constant.
_CONSTANT = 1e-6

#: Activations that are looked at together on a CPU.
_BLOCK_BYTES = 2 * 2**20


def part_membership(codes: Int[Tensor, "batch token"], num_parts: int) -> Bool[Tensor, "batch part token"]:
    """Which tokens are which part of a grouping, by their codes."""
    return torch.stack([codes == part for part in range(num_parts)], dim=1)


def membership(codes: Int[Tensor, "batch token"], grouping: Grouping) -> Bool[Tensor, "batch group token"]:
    """Which tokens belong to which group.

    Args:
        codes: the place of its part in `grouping.parts` of every token, -1 for padding.
        grouping: what tokens are told apart.
    """
    places = [torch.tensor(grouping.places(name), device=codes.device) for name in grouping.names]
    return torch.stack([torch.isin(codes, place) for place in places], dim=1)


def attention_weights(
    attention: Float[Tensor, "batch query key"], members: Float[Tensor, "batch group token"], kind: str
) -> Float[Tensor, "batch 2 group token"]:
    """The weight that ``attn_k`` and ``attn_q`` give each token of each group (docs/methods.md 1.1, 1.2).

    The second softmax runs on values in [0, 1], so its exponentials need no shift; restricted to the tokens of
    a group it is two matrix products with the indicator of these tokens.
    """
    if kind == "causal":
        received = members * (members @ attention.tril(-1))
        share = received / received.sum(-1, keepdim=True).clamp_min(torch.finfo(attention.dtype).tiny)
        return torch.stack([share, share], dim=1)
    if kind != "reference":
        raise unknown_name("attention kind", kind, ATTENTION_KINDS)
    exponential = attention.exp()
    over_queries = members / (members @ exponential).clamp_min(torch.finfo(attention.dtype).tiny)
    over_keys = members / (members @ exponential.mT).clamp_min(torch.finfo(attention.dtype).tiny)
    return torch.stack([members * (over_queries @ exponential.mT), members * (over_keys @ exponential)], dim=1)


@dataclass(frozen=True)
class TokenPlan:
    """How to pass over the tokens of a batch once, a few at a time; made on the CPU, used by every layer.

    Attributes:
        places: the parts of every group.
        present: the groups that occur.
        blocks: ranges of tokens, each with the parts that they are in any sample, and whether they are nothing else:
            all tokens of all samples are of one part.
    """

    places: list[list[int]]
    present: list[int]
    blocks: list[tuple[slice, list[int], bool]]


def plan_tokens(
    members: Bool[Tensor, "batch group token"],
    parts: Bool[Tensor, "batch part token"],
    grouping: Grouping,
    num_neurons: int,
) -> TokenPlan:
    """Blocks whose activations fit into the cache of a CPU; on a GPU one block, as starting work is what costs there.

    A temporary of a whole layer costs more in fresh memory than all arithmetic here.
    """
    num_samples, _, num_tokens = members.shape
    step = num_tokens if members.is_cuda else max(1, _BLOCK_BYTES // (4 * num_samples * num_neurons))
    here, everywhere = parts.any(0).cpu(), parts.all(0).cpu()
    blocks = []
    for tokens in (slice(start, start + step) for start in range(0, num_tokens, step)):
        held = here[:, tokens].any(1).nonzero()[:, 0].tolist()
        blocks.append((tokens, held, bool(everywhere[:, tokens].all(1).any())))
    present = members.any(0).any(1).nonzero()[:, 0].tolist()
    return TokenPlan([grouping.places(name) for name in grouping.names], present, blocks)


def token_scores(
    activations: Float[Tensor, "batch token neuron"],
    weights: Float[Tensor, "batch 2 group token"],
    members: Bool[Tensor, "batch group token"],
    parts: Bool[Tensor, "batch part token"],
    plan: TokenPlan,
) -> tuple[Float[Tensor, "5 batch group neuron"], Float[Tensor, "batch group neuron"]]:
    """The five metrics before normalisation, and the mean magnitude; 0 for a group without tokens.

    Args:
        activations: of one layer, in any number format.
        weights: of the two attention metrics.
        members: which tokens belong to which group.
        parts: which tokens are which part of the grouping.
        plan: of `plan_tokens`.
    """
    (num_samples, _, num_neurons), dtype = activations.shape, weights.dtype
    num_parts, num_groups = parts.shape[1], members.shape[1]
    inside = parts.to(dtype)
    rows = torch.cat([inside, *(weights[:, kind, plan.present] for kind in range(2))], dim=1)
    sums = weights.new_zeros(num_samples, rows.shape[1], num_neurons)
    positive, magnitude = (weights.new_zeros(num_samples, num_parts, num_neurons) for _ in range(2))
    highest = torch.full_like(positive, -torch.inf)
    for tokens, held, pure in plan.blocks:
        block = activations[:, tokens].to(dtype)
        sums.baddbmm_(rows[..., tokens], block)
        positive.baddbmm_(inside[..., tokens], (block > 0).to(dtype))
        magnitude.baddbmm_(inside[..., tokens], block.abs())
        for part in held:
            own = block if pure else block.masked_fill(~parts[:, part, tokens, None], -torch.inf)
            highest[:, part] = torch.maximum(highest[:, part], own.amax(1))
    count = members.sum(-1, keepdim=True).clamp_min(1)
    attended = sums.new_zeros(2, num_samples, num_groups, num_neurons)
    attended[:, :, plan.present] = torch.stack(sums[:, num_parts:].chunk(2, dim=1))
    prob, mean, size = (
        over_parts(values, plan.places, torch.sum) / count for values in (positive, sums[:, :num_parts], magnitude)
    )
    maximum = over_parts(highest, plan.places, torch.amax).masked_fill(~members.any(-1, keepdim=True), 0)
    return torch.stack([prob, mean, maximum, *attended]), size


def over_parts(
    values: Float[Tensor, "batch part neuron"], places: Sequence[Sequence[int]], reduce: Callable[..., Tensor]
) -> Float[Tensor, "batch group neuron"]:
    """Reduce what is known of each part over the parts of each group."""
    return torch.stack([reduce(values[:, list(place)], dim=1) for place in places], dim=1)


def minmax(scores: Float[Tensor, "*axes neuron"]) -> tuple[Float[Tensor, "*axes neuron"], Bool[Tensor, "*axes"]]:
    """Min-max over neurons; where all are equal (the reference divides 0 by 0) the result is 0.

    Returns:
        The normalised scores, and where the scores were all equal, up to float rounding.
    """
    low, high = scores.amin(-1, keepdim=True), scores.amax(-1, keepdim=True)
    span = high - low
    constant = span <= _CONSTANT * torch.maximum(low.abs(), high.abs())
    return ((scores - low) / span).masked_fill(constant, 0), constant.squeeze(-1)


def sample_importance(
    activations: Float[Tensor, "layer token neuron"],
    attention: Float[Tensor, "layer query key"],
    token_parts: Sequence[str],
    grouping: Grouping,
    attention_kind: str = "reference",
) -> Float[Tensor, "5 group layer neuron"]:
    """MINER importance of every neuron in one sample.

    Args:
        activations: gate-site activations of the prefill pass.
        attention: S_l, head-mean of the soft-maxed attention of each layer; for ``reference`` computed
            without the causal mask, for ``causal`` with it.
        token_parts: for each token one of the parts of the grouping.
        grouping: what tokens are told apart, such as the modalities.
        attention_kind: ``reference`` or ``causal``.

    Returns:
        Importance in [0, 1], metrics in the order of `METRICS`, groups in that of the grouping; groups without
        tokens are 0.

    Raises:
        UserError: shapes do not agree, an unknown part, or a value that is not finite.
    """
    num_layers, num_tokens, num_neurons = activations.shape
    if attention.shape != (num_layers, num_tokens, num_tokens) or len(token_parts) != num_tokens:
        raise UserError(
            f"activations {tuple(activations.shape)}, attention {tuple(attention.shape)} and {len(token_parts)} "
            "parts of tokens do not agree; expected (layer, token, neuron), (layer, token, token) and (token)"
        )
    for name in token_parts:
        if name not in grouping.parts:
            raise unknown_name("part of a token", name, grouping.parts)
    if not (activations.isfinite().all() and attention.isfinite().all()):
        raise UserError("activations or attention hold NaN or infinity; importance is defined for finite values only")
    precise = torch.promote_types(activations.dtype, torch.float32)  # half precision is too coarse for min-max
    activations, attention = activations.to(precise), attention.to(precise)
    codes = torch.tensor([grouping.parts.index(name) for name in token_parts], device=activations.device)
    codes = codes.expand(num_layers, -1)
    members, parts = membership(codes, grouping), part_membership(codes, len(grouping.parts))
    weights = attention_weights(attention, members.to(attention.dtype), attention_kind)
    plan = plan_tokens(members, parts, grouping, num_neurons)
    scores, _ = minmax(token_scores(activations, weights, members, parts, plan)[0])
    return scores.transpose(1, 2)
