"""What the activations of the language model's gate are, group by group, with the metrics that weigh by attention.

Sees the attention and the gate site of every layer, and with `hidden_site` what its reader reads.
"""

from dataclasses import dataclass
from functools import partial

from jaxtyping import Bool, Float, Float64
from torch import Tensor

from lode.grouping import Grouping
from lode.importance import METRICS
from lode.importance.miner import TokenPlan, attention_weights, part_membership, plan_tokens, token_scores
from lode.importance.normalisation import normalise
from lode.model.attention import Attention, head_mean_attention
from lode.neurons import LM_GATE
from lode.recording import Draft, Prompts, Views
from lode.recording._histogram import count_by_bin
from lode.recording._quota import within_quota
from lode.recording._site import Kept, SiteTotals, sums_by_normalisation
from lode.recording._totals import LayerSums, home_of


class Gate(SiteTotals):
    """The running sums of the gate."""

    def begin(self, prompts: Prompts) -> Draft:
        """Sums of every layer as it passes by."""
        drawn = within_quota(prompts, self.grouping, self.kept.quota)
        seen = seen_of(drawn, self.grouping, self.shape[1], self.kept)
        views = Views(
            partial(see_attention, seen),
            {LM_GATE: partial(see_activations, seen)},
            {LM_GATE: partial(see_hidden, seen)} if self.kept.hidden_site else {},
        )
        return Draft(partial(self.add, prompts, seen), views, partial(self.finish, seen))

    def finish(self, seen: "Seen") -> None:
        """Refuse a batch of which a layer is missing or not finite."""
        assert not seen.weights, "a layer had attention but no activations"
        self.check(seen.sums)

    def add(self, prompts: Prompts, seen: "Seen") -> None:
        """Add the sums of a batch; of `prompts`, `seen.prompts` holds the tokens that were drawn."""
        self.add_batch(seen.prompts, seen.sums)
        self.num_held += prompts.num_tokens


@dataclass(frozen=True)
class Seen:
    """What is known of a batch while it passes.

    Attributes:
        prompts: the batch.
        parts: which tokens are which part of the grouping.
        plan: how to pass over its tokens.
        kept: what is kept.
        weights: of the two attention metrics, of layers whose activations are still to come.
        sums: of layers that have passed.
    """

    prompts: Prompts
    parts: Bool[Tensor, "batch part token"]
    plan: TokenPlan
    kept: Kept
    weights: dict[int, Tensor]
    sums: dict[int, LayerSums]


def seen_of(prompts: Prompts, grouping: Grouping, num_neurons: int, kept: Kept) -> Seen:
    """What is known of a batch before it passes."""
    parts = part_membership(prompts.codes, len(grouping.parts))
    return Seen(prompts, parts, plan_tokens(prompts.members, parts, grouping, num_neurons), kept, {}, {})


def see_attention(seen: Seen, layer: int, attention: Attention) -> None:
    """Keep the weights that a layer's attention gives to tokens until its activations come."""
    device, kind = attention.query.device, seen.kept.attention
    real = (seen.prompts.batch.token_kind >= 0).to(device)[:, None, None]
    mean = head_mean_attention(
        attention.query, attention.key, attention.scaling, attention.visible if kind == "causal" else real
    )
    seen.weights[layer] = attention_weights(mean, seen.prompts.members.to(device).float(), kind)


def see_activations(seen: Seen, layer: int, activations: Float[Tensor, "batch token neuron"]) -> None:
    """Sum up a layer."""
    members, parts = (each.to(activations.device) for each in (seen.prompts.members, seen.parts))
    seen.sums[layer] = layer_sums(activations, seen.weights.pop(layer), members, parts, seen.plan, seen.kept)


def see_hidden(seen: Seen, layer: int, hidden: Float[Tensor, "batch token neuron"]) -> None:
    """Sum up what the reader of a layer reads."""
    seen.sums[layer] |= hidden_sums(hidden.float(), seen.prompts.members.to(hidden.device))


def layer_sums(
    activations: Float[Tensor, "batch token neuron"],
    weights: Float[Tensor, "batch 2 group token"],
    members: Bool[Tensor, "batch group token"],
    parts: Bool[Tensor, "batch part token"],
    plan: TokenPlan,
    kept: Kept,
) -> LayerSums:
    """What the gate site of one layer of a batch adds to the statistics.

    Args:
        activations: at the gate site.
        weights: of the two attention metrics.
        members: which tokens belong to which group.
        parts: which tokens are which part of the grouping.
        plan: of `plan_tokens`.
        kept: the normalisation, and whether to keep histograms.
    """
    raw, size = token_scores(activations, weights, members, parts, plan)
    normalised, constant = normalise(raw, kept.normalisation)
    num_constant = (constant & members.any(-1)).sum()
    home = home_of(raw.device)
    raw, normalised, size, members = (tensor.to(home) for tensor in (raw, normalised, size, members))
    moments = dict(zip(METRICS[1:], raw[1:], strict=True)) | {"abs_mean": size}
    sums = {"num_constant": num_constant.to(home)}
    sums["positive_count"] = (raw[0] * members.sum(-1)[..., None]).round().double().sum(0)
    for name, values in moments.items():
        sums[f"{name}_sum"] = values.double().sum(0)
        sums[f"{name}_sumsq"] = values.double().square().sum(0)
    for name, values in zip(METRICS, normalised, strict=True):
        sums[f"{name}_score_sum"] = values.double().sum(0)
    if kept.all_normalisations:
        sums |= sums_by_normalisation(METRICS, raw)
    if kept.num_bins:
        sums["histogram"] = count_by_bin(raw[METRICS.index("mean")], members.any(-1), kept.num_bins)
    return sums


def hidden_sums(
    hidden: Float[Tensor, "batch token neuron"], members: Bool[Tensor, "batch group token"]
) -> dict[str, Float64[Tensor, "group neuron"]]:
    """What the hidden site (the input of down_proj) of one layer of a batch adds to the statistics."""
    return {"hidden_abs_sum": magnitude(hidden, members).to(home_of(hidden.device)).double().sum(0)}


def magnitude(
    activations: Float[Tensor, "batch token neuron"], members: Bool[Tensor, "batch group token"]
) -> Float[Tensor, "batch group neuron"]:
    """Mean over the tokens of each group of |a|, 0 where there are none."""
    inside = members.to(activations.dtype)
    return (inside / inside.sum(-1, keepdim=True).clamp_min(1)) @ activations.abs()
