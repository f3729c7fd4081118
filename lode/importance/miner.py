"""MINER importance: five metrics of a neuron's activation over the tokens of one modality.

For the tokens T of a modality in one sample, activations A (token, neuron), and S = the layer's head-mean
attention restricted to T x T (not renormalised):

- ``prob``: share of tokens with A > 0;  ``mean``, ``max``: over tokens
- ``attn_k``: W = softmax of S over queries; score = sum_q (sum_k W[q, k]) A[q]
- ``attn_q``: W = softmax of S over keys;    score = sum_k (sum_q W[q, k]) A[k]

each followed by min-max over the neurons of the layer, so the range is [0, 1]. Every metric but ``max`` is
one weighted sum over tokens, and no (token, token, neuron) product is formed.

Source: MINER (arXiv 2410.04819), section 3; docs/methods.md 1.1 and 1.2. ``attention_kind="causal"`` is our
own variant: the weight of a token is the attention it receives from later tokens of the modality.

What it does not tell: whether a neuron *serves* the modality. There is no contrast between modalities,
and min-max ties each layer's scale to its single largest neuron.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lode.engine.errors import UserError, unknown_name
from lode.shapes import ATTENTION_KINDS, MEMBERS, METRICS, MODALITIES, TOKEN_MODALITIES

#: A range below this share of the largest magnitude is rounding noise of a constant.
_CONSTANT = 1e-6

#: Activations that are looked at together on a CPU.
_BLOCK_BYTES = 2 * 2**20


def membership(token_modality: Float[Tensor, "batch token"] | Tensor) -> Bool[Tensor, "batch modality token"]:
    """Which tokens belong to which of `MODALITIES`.

    Args:
        token_modality: index into `TOKEN_MODALITIES` of every token, -1 for padding.
    """
    groups = [[TOKEN_MODALITIES.index(member) for member in MEMBERS[name]] for name in MODALITIES]
    codes = [torch.tensor(group, device=token_modality.device) for group in groups]
    return torch.stack([torch.isin(token_modality, code) for code in codes], dim=1)


def attention_weights(
    attention: Float[Tensor, "batch query key"], members: Float[Tensor, "batch modality token"], kind: str
) -> Float[Tensor, "batch 2 modality token"]:
    """The weight that ``attn_k`` and ``attn_q`` give each token of each modality (docs/methods.md 1.1, 1.2).

    The second softmax runs on values in [0, 1], so its exponentials need no shift; restricted to the tokens of
    a modality it is two matrix products with the indicator of these tokens.
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
        present: indices into `MODALITIES` of those that occur.
        blocks: ranges of tokens, each with the indices into `TOKEN_MODALITIES` of what they hold in any sample, and
            whether they hold nothing else: all tokens of all samples are of one kind.
    """

    present: list[int]
    blocks: list[tuple[slice, list[int], bool]]


def plan_tokens(members: Bool[Tensor, "batch modality token"], num_neurons: int) -> TokenPlan:
    """Blocks whose activations fit into the cache of a CPU; on a GPU one block, as starting work is what costs there.

    A temporary of a whole layer costs more in fresh memory than all arithmetic here.
    """
    num_samples, _, num_tokens = members.shape
    step = num_tokens if members.is_cuda else max(1, _BLOCK_BYTES // (4 * num_samples * num_neurons))
    here, everywhere = members.any(0).cpu(), members.all(0).cpu()
    base = [MODALITIES.index(name) for name in TOKEN_MODALITIES]
    blocks = []
    for tokens in (slice(start, start + step) for start in range(0, num_tokens, step)):
        held = here[base, tokens].any(1).nonzero()[:, 0].tolist()
        blocks.append((tokens, held, bool(everywhere[base, tokens].all(1).any())))
    return TokenPlan(here.any(1).nonzero()[:, 0].tolist(), blocks)


def token_scores(
    activations: Float[Tensor, "batch token neuron"],
    weights: Float[Tensor, "batch 2 modality token"],
    members: Bool[Tensor, "batch modality token"],
    plan: TokenPlan,
) -> tuple[Float[Tensor, "5 batch modality neuron"], Float[Tensor, "batch modality neuron"]]:
    """The five metrics before normalisation, and the mean magnitude; 0 for a modality without tokens.

    Args:
        activations: of one layer, in any number format.
        weights: of the two attention metrics.
        members: which tokens belong to which modality.
        plan: of `plan_tokens`.
    """
    (num_samples, _, num_neurons), dtype = activations.shape, weights.dtype
    base = members[:, [MODALITIES.index(name) for name in TOKEN_MODALITIES]]
    inside = base.to(dtype)
    rows = torch.cat([inside, *(weights[:, kind, plan.present] for kind in range(2))], dim=1)
    sums = weights.new_zeros(num_samples, rows.shape[1], num_neurons)
    positive, magnitude = (weights.new_zeros(num_samples, len(TOKEN_MODALITIES), num_neurons) for _ in range(2))
    highest = torch.full_like(positive, -torch.inf)
    for tokens, held, pure in plan.blocks:
        part = activations[:, tokens].to(dtype)
        sums.baddbmm_(rows[..., tokens], part)
        positive.baddbmm_(inside[..., tokens], (part > 0).to(dtype))
        magnitude.baddbmm_(inside[..., tokens], part.abs())
        for index in held:
            own = part if pure else part.masked_fill(~base[:, index, tokens, None], -torch.inf)
            highest[:, index] = torch.maximum(highest[:, index], own.amax(1))
    count = members.sum(-1, keepdim=True).clamp_min(1)
    attended = sums.new_zeros(2, num_samples, len(MODALITIES), num_neurons)
    attended[:, :, plan.present] = torch.stack(sums[:, len(TOKEN_MODALITIES) :].chunk(2, dim=1))
    prob, mean, size = (
        over_members(values, torch.sum) / count for values in (positive, sums[:, : len(TOKEN_MODALITIES)], magnitude)
    )
    maximum = over_members(highest, torch.amax).masked_fill(~members.any(-1, keepdim=True), 0)
    return torch.stack([prob, mean, maximum, *attended]), size


def over_members(
    values: Float[Tensor, "batch token_modality neuron"], reduce: Callable[..., Tensor]
) -> Float[Tensor, "batch modality neuron"]:
    """Reduce what is known of each of `TOKEN_MODALITIES` over the members of each of `MODALITIES`."""
    groups = [[TOKEN_MODALITIES.index(member) for member in MEMBERS[name]] for name in MODALITIES]
    return torch.stack([reduce(values[:, group], dim=1) for group in groups], dim=1)


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
    token_modality: Sequence[str],
    attention_kind: str = "reference",
) -> Float[Tensor, "5 7 layer neuron"]:
    """MINER importance of every neuron in one sample.

    Args:
        activations: gate-site activations of the prefill pass.
        attention: S_l, head-mean of the soft-maxed attention of each layer; for ``reference`` computed
            without the causal mask, for ``causal`` with it.
        token_modality: for each token one of text, special, image, video, audio.
        attention_kind: ``reference`` or ``causal``.

    Returns:
        Importance in [0, 1], metrics in the order of `METRICS`, modalities in the order of `MODALITIES`;
        modalities without tokens are 0.

    Raises:
        UserError: shapes do not agree, an unknown modality name, or a value that is not finite.
    """
    num_layers, num_tokens, _ = activations.shape
    if attention.shape != (num_layers, num_tokens, num_tokens) or len(token_modality) != num_tokens:
        raise UserError(
            f"activations {tuple(activations.shape)}, attention {tuple(attention.shape)} and {len(token_modality)} "
            "token modalities do not agree; expected (layer, token, neuron), (layer, token, token) and (token)"
        )
    for name in token_modality:
        if name not in TOKEN_MODALITIES:
            raise unknown_name("token modality", name, TOKEN_MODALITIES)
    if not (activations.isfinite().all() and attention.isfinite().all()):
        raise UserError("activations or attention hold NaN or infinity; importance is defined for finite values only")
    precise = torch.promote_types(activations.dtype, torch.float32)  # half precision is too coarse for min-max
    activations, attention = activations.to(precise), attention.to(precise)
    codes = torch.tensor([TOKEN_MODALITIES.index(name) for name in token_modality], device=activations.device)
    members = membership(codes.expand(num_layers, -1))
    weights = attention_weights(attention, members.to(attention.dtype), attention_kind)
    raw, _ = token_scores(activations, weights, members, plan_tokens(members, activations.shape[-1]))
    scores, _ = minmax(raw)
    assert scores.shape[:1] + scores.shape[2:3] == (len(METRICS), len(MODALITIES))
    return scores.transpose(1, 2)
