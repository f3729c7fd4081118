"""What heads take and give at the last token: masses by group, means of outputs, and attention token by token.

Masses are those of the prompt's last token, head by head, to each part of the grouping and to itself (`last`). Means of
outputs are over samples, each of the same weight: at the last token, and over the tokens of the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.grouping import Grouping
from lode.model.attention import Attention
from lode.model.cutting import last_of_prompt
from lode.model.heads import last_weights
from lode.model.tokens import REPLY
from lode.recording._shift import LAST

#: The places at which a head is replaced, in this order.
PLACES = ("last", "answer")


def groups_of(grouping: Grouping) -> tuple[str, ...]:
    """The parts, and the last token."""
    return (*grouping.parts, LAST)


def codes_of(
    kinds: Int[Tensor, "batch token"], samples: Sequence[Mapping[str, Any]], grouping: Grouping
) -> Int[Tensor, "batch token"]:
    """The place in `groups_of` of every token of the prompt; -1: padding or the answer."""
    codes = torch.where(kinds >= 0, grouping.codes_of(kinds, samples), -1)
    codes[:, last_of_prompt(kinds)] = len(grouping.parts)
    return codes


def places_of(kinds: Int[Tensor, "batch token"]) -> Int[Tensor, "batch token"]:
    """Which of `PLACES` every token is; -1: none."""
    places = torch.where(kinds == REPLY, 1, -1)
    places[:, last_of_prompt(kinds)] = 0
    return places


@dataclass
class Seen:
    """What one pass over a batch shows.

    Attributes:
        codes: the group of every token.
        places: which of `PLACES` it is.
        num_groups: how many groups there are.
        last: where the last token of every prompt is.
        masses: by layer.
        weights: by layer, of every token, mean over heads.
        outputs: by layer, means of what W_O reads at each of `PLACES`.
    """

    codes: Int[Tensor, "batch token"]
    places: Int[Tensor, "batch token"]
    num_groups: int
    last: int
    masses: dict[int, Float[Tensor, "batch head group"]] = field(default_factory=dict)
    weights: dict[int, Float[Tensor, "batch token"]] = field(default_factory=dict)
    outputs: dict[int, Float[Tensor, "batch place width"]] = field(default_factory=dict)

    def see_attention(self, layer: int, attention: Attention) -> None:
        """Take the masses of a layer."""
        weights = last_weights(attention, self.last)
        self.masses[layer] = masses(weights, self.members(weights.device)).cpu()
        self.weights[layer] = weights.mean(1).cpu()

    def see_outputs(self, layer: int, outputs: Float[Tensor, "batch token width"]) -> None:
        """Take the means of a layer over the tokens of each place."""
        places = torch.arange(len(PLACES), device=outputs.device)
        inside = (self.places.to(outputs.device)[:, None] == places[:, None]).float()
        sums = torch.einsum("bpt,btw->bpw", inside, outputs.float())
        self.outputs[layer] = (sums / inside.sum(-1, keepdim=True).clamp_min(1)).cpu()

    def members(self, device: torch.device) -> Bool[Tensor, "batch group token"]:
        """Which tokens are of which group."""
        groups = torch.arange(self.num_groups, device=device)
        return self.codes.to(device)[:, None] == groups[:, None]


def masses(
    weights: Float[Tensor, "batch head token"], members: Bool[Tensor, "batch group token"]
) -> Float[Tensor, "batch head group"]:
    """Attention of each head to the tokens of each group; all groups sum to 1."""
    return torch.einsum("bht,bgt->bhg", weights, members.float())
