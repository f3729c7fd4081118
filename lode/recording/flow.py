"""What the last token of a prompt takes from each group of tokens: attention mass, and contributions to its output.

With A (head, token) the weights of the last token's attention, v_h the values and W_O the projection of the output::

    mass                mean over heads of the sum of A over the group         in [0, 1]; all groups sum to 1
    contribution  c_g = sum over heads and tokens of the group of A v W_O      (hidden); its length is kept
    share               <c_g, o> / <o, o>, o the sum of all c_g                all groups sum to 1; may be below 0

o is what the attention gives, but for a bias of W_O. Groups are the parts of the grouping, less the last token itself
(`last`), and less `sink`: tokens whose residual state is longer than 5 times the median of the prompt at that layer,
and of the tokens of their own group in it. (By the first alone all patches of a picture can be sinks: in the embedded
Qwen2-VL, what enters the first layer is longer for every patch than 5 times what words are.)

Sees attention with queries, keys and values, and residual states, whose lengths say what a sink is. Keeps a row a
sample, group and layer. Costs one row of attention and as many projections as groups, 1 / tokens of what the layer
costs. Source: docs/methods.md 7.4.

What it does not tell: whether what is taken is used; a large contribution can be undone by the next layer.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.attention import Attention
from lode.model.heads import last_weights, projection_of
from lode.recording import Draft, Prompts, Views
from lode.recording._shift import LAST
from lode.recording._traced import Traced, last_place
from lode.table.flow_samples import FLOW_SAMPLES

TABLE = FLOW_SAMPLES

#: The group of tokens of large states, and from where on they are: times the median of the prompt.
SINK, SINK_RATIO = "sink", 5.0
MEASURES = ("num_tokens", "mass", "contribution_norm", "share")


def recording(adapter: Adapter, grouping: Grouping, traced: Traced | None = None) -> "Flow":
    """An empty recording.

    Args:
        adapter: the model.
        grouping: what tokens are told apart.
        traced: what the rows are of.

    Raises:
        UserError: the attention of the model has no projection `o_proj`.
    """
    for layer in range(adapter.num_layers):
        projection_of(adapter, layer)
    return Flow(adapter, grouping, traced or Traced())


@dataclass
class _Batch:
    """What is found of a batch.

    Attributes:
        codes: the group of every token without sinks: a part, then `last`; -1: none.
        last: where the last token of every prompt is.
        lengths: of the residual states of a layer, by layer, until its attention is seen.
        found: by layer, the measures (measure, batch, group).
    """

    codes: Int[Tensor, "batch token"]
    last: int
    lengths: dict[int, Float[Tensor, "batch token"]] = field(default_factory=dict)
    found: dict[int, Float[Tensor, "measure batch group"]] = field(default_factory=dict)


class Flow:
    """The rows so far; arguments are those of `recording`."""

    def __init__(self, adapter: Adapter, grouping: Grouping, traced: Traced) -> None:
        self.adapter, self.traced = adapter, traced
        self.groups = (*grouping.parts, LAST, SINK)
        self.rows: dict[str, list[Any]] = {name: [] for name in TABLE.schema.names if name not in traced.columns(0)}

    def begin(self, prompts: Prompts) -> Draft:
        """Look at the last token's attention at every layer."""
        last = last_place(prompts)
        codes = torch.where(prompts.batch.token_kind >= 0, prompts.codes, -1)
        codes[:, last] = self.groups.index(LAST)
        batch = _Batch(codes, last)
        views = Views(attention=partial(self.see_attention, batch), states=partial(self.see_states, batch))
        return Draft(partial(self.add, prompts, batch), views)

    def see_states(self, batch: _Batch, layer: int, states: Tensor) -> None:
        """Keep the lengths of the states that a layer reads."""
        if layer < self.adapter.num_layers:
            batch.lengths[layer] = states.float().norm(dim=-1)

    def see_attention(self, batch: _Batch, layer: int, attention: Attention) -> None:
        """Take the measures of a layer."""
        device = attention.query.device
        groups = with_sinks(batch.codes.to(device), batch.lengths.pop(layer).to(device), batch.last, len(self.groups))
        members = groups[:, None] == torch.arange(len(self.groups), device=device)[:, None]
        weights = last_weights(attention, batch.last)
        parts = contributions(weights, attention.value, members, projection_of(self.adapter, layer).weight)
        batch.found[layer] = torch.cat([members.sum(-1)[None].float(), measures(weights, members, parts)])

    def add(self, prompts: Prompts, batch: _Batch) -> None:
        """Add the rows of a batch: of each sample the groups that it holds, and sinks, be there any or none."""
        layers = sorted(batch.found)
        values = torch.stack([batch.found[layer].cpu() for layer in layers], dim=-1).double().numpy()
        codes = batch.codes.cpu().numpy()
        if not np.isfinite(values).all():
            raise UserError(
                "the attention of the last token writes nothing, or no finite number, at some layer; expected a finite "
                "output other than 0, as of nothing there are no shares"
            )
        for row, sample in enumerate(prompts.samples):
            held = sorted({*np.unique(codes[row][codes[row] >= 0]).tolist(), self.groups.index(SINK)})
            for place in held:
                for at, layer in enumerate(layers):
                    said = (sample["sample_id"], sample["cluster_id"], self.groups[place], layer)
                    for name, value in zip(("sample_id", "cluster_id", "group", "layer"), said, strict=True):
                        self.rows[name].append(value)
                    for name, value in zip(MEASURES, values[:, row, place, at].tolist(), strict=True):
                        self.rows[name].append(int(value) if name == "num_tokens" else value)

    def columns(self) -> dict[str, Any]:
        """Of all samples."""
        return {**self.traced.columns(len(self.rows["layer"])), **self.rows}

    def facts(self) -> dict[str, int]:
        """Nothing but what is in the rows."""
        return {}


def with_sinks(
    codes: Int[Tensor, "batch token"], lengths: Float[Tensor, "batch token"], last: int, num_groups: int
) -> Int[Tensor, "batch token"]:
    """The group of every token, where those of long states are sinks, the last group; the last token never is.

    Medians are of real tokens; of an even number the lower one, so that a sink among two tokens is one.
    """
    groups = torch.arange(num_groups, device=codes.device)
    own = lengths[:, None].masked_fill(codes[:, None] != groups[:, None], torch.nan).nanmedian(dim=2).values
    whole = lengths.masked_fill(codes < 0, torch.nan).nanmedian(dim=1, keepdim=True).values
    bound = torch.maximum(whole, own.gather(1, codes.clamp_min(0)))
    sink = (codes >= 0) & (lengths > SINK_RATIO * bound)
    sink[:, last] = False
    return codes.masked_fill(sink, num_groups - 1)


def contributions(
    weights: Float[Tensor, "batch head token"],
    value: Float[Tensor, "batch key_head token dim"],
    members: Bool[Tensor, "batch group token"],
    projection: Float[Tensor, "hidden width"],
) -> Float[Tensor, "batch group hidden"]:
    """What the tokens of each group add to the output of the attention of the last token.

    Args:
        weights: of the last token.
        value: with fewer heads where these are grouped.
        members: which tokens are of which group.
        projection: W_O, without a bias.
    """
    by_group = weights[:, None] * members[:, :, None].float()
    grouped = by_group.unflatten(2, (value.shape[1], -1))
    mixed = torch.einsum("bgkrt,bktd->bgkrd", grouped, value.float()).flatten(2)
    return mixed @ projection.float().T


def measures(
    weights: Float[Tensor, "batch head token"],
    members: Bool[Tensor, "batch group token"],
    parts: Float[Tensor, "batch group hidden"],
) -> Float[Tensor, "3 batch group"]:
    """Mass, length of the contribution, and share along the output of each group."""
    mass = torch.einsum("bht,bgt->bg", weights, members.float()) / weights.shape[1]
    output = parts.sum(1)
    share = torch.einsum("bgd,bd->bg", parts, output) / output.square().sum(-1, keepdim=True)
    return torch.stack([mass, parts.norm(dim=-1), share])
