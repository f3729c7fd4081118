"""What the activations of neurons are, group by group: the statistics that all selections but those of gradients need.

Sees the attention and the gate site of every layer, and with `hidden_site` what its reader reads, in the pass that all
share. Keeps by group, layer and neuron sums over samples: of counts, of five metrics and of their squares, raw and
normalised (docs/methods.md 1.1, 1.2, 1.8, 1.9); with `num_bins` histograms. Costs a tenth of the time of its forward
pass at the sizes of a 2B model (docs/performance.md), and the memory of the sums twice.

What it does not tell: which tokens of a sample, or which samples, a neuron was active on; sums forget that.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from lode.grouping import Grouping
from lode.importance import METRICS, NORMALISATIONS
from lode.importance.miner import TokenPlan, attention_weights, part_membership, plan_tokens, token_scores
from lode.importance.normalisation import normalise
from lode.model.adapter import Adapter
from lode.model.attention import Attention, head_mean_attention
from lode.neurons import LM_GATE
from lode.recording import Draft, Prompts, Views
from lode.recording._histogram import count_by_bin
from lode.recording._totals import LayerSums, Totals, home_of
from lode.table.statistics import STATISTICS

TABLE = STATISTICS


@dataclass(frozen=True)
class Kept:
    """What is kept, and of what; the fields are those of the `capture` section."""

    attention: str = "reference"
    normalisation: str = "minmax"
    num_bins: int = 0
    hidden_site: bool = False
    all_normalisations: bool = False


def recording(
    adapter: Adapter,
    grouping: Grouping,
    attention: str = "reference",
    normalisation: str = "minmax",
    num_bins: int = 0,
    hidden_site: bool = False,
    all_normalisations: bool = False,
) -> "Activations":
    """An empty recording.

    Args:
        adapter: the model.
        grouping: what tokens are told apart.
        attention: how it weighs tokens, `reference` or `causal`.
        normalisation: over the neurons of one sample, group and layer.
        num_bins: of histograms, even; 0: none.
        hidden_site: whether to keep sums of what readers read.
        all_normalisations: whether to keep scores under every normalisation beside those under the one.
    """
    kept = Kept(attention, normalisation, num_bins, hidden_site, all_normalisations)
    return Activations(column_norms(adapter), grouping, kept)


def column_norms(adapter: Adapter) -> Float64[np.ndarray, "layer neuron"]:
    """How much each neuron writes for a unit of its activation: the norms of the columns of its reader."""
    norms = (module.weight.detach().float().norm(dim=0) for module in adapter.gate.reader)
    return np.stack([of_layer.double().cpu().numpy() for of_layer in norms])


class Activations(Totals):
    """The running sums.

    Attributes:
        down_norm: norms of the columns of down_proj, a fact of the weights (layer, neuron).
        grouping: what tokens are told apart.
        kept: what is kept.
    """

    def __init__(self, down_norm: Float64[np.ndarray, "layer neuron"], grouping: Grouping, kept: Kept) -> None:
        super().__init__(grouping.names, *down_norm.shape)
        self.down_norm, self.grouping, self.kept = down_norm, grouping, kept

    def begin(self, prompts: Prompts) -> Draft:
        """Sums of every layer as it passes by."""
        seen = seen_of(prompts, self.grouping, self.shape[1], self.kept)
        views = Views(
            partial(see_attention, seen),
            {LM_GATE: partial(see_activations, seen)},
            {LM_GATE: partial(see_hidden, seen)} if self.kept.hidden_site else {},
        )
        return Draft(partial(self.add_batch, prompts, seen.sums), views, partial(self.finish, seen))

    def finish(self, seen: "Seen") -> None:
        """Refuse a batch of which a layer is missing or not finite."""
        assert not seen.weights, "a layer had attention but no activations"
        self.check(seen.sums)

    @property
    def num_constant(self) -> int:
        """Cases of (sample, group, layer, metric) without spread over the neurons."""
        return sum(int(sums["num_constant"]) for sums in self.totals if sums)

    def columns(self) -> dict[str, Any]:
        """The columns of the `statistics` table, histogram and hidden site only where they were recorded."""
        return super().columns() | {"down_norm": self.spread(self.down_norm)}

    def facts(self) -> dict[str, int]:
        """How often normalisation found nothing to tell neurons apart by."""
        return {"num_constant": self.num_constant}


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
        sums |= sums_by_normalisation(raw)
    if kept.num_bins:
        sums["histogram"] = count_by_bin(raw[METRICS.index("mean")], members.any(-1), kept.num_bins)
    return sums


def sums_by_normalisation(raw: Float[Tensor, "metric batch group neuron"]) -> LayerSums:
    """The sums over samples of every metric under every normalisation, which is the last axis, in their order."""
    each = [normalise(raw, kind)[0].double().sum(1) for kind in NORMALISATIONS]
    return {f"{name}_score_sums": values for name, values in zip(METRICS, torch.stack(each, -1), strict=True)}


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
