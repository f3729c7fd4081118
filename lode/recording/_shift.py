"""How far the residual states of a prompt are moved: by token, and as means over the tokens of each group.

With h the state of a token in the unmodified model and h' its state in another pass, at layer l = 0 ... L (the input of
the first layer, and what each layer gives, before any final norm)::

    shift     ||h' - h|| / ||h||                 >= 0   [share of length]
    cosine    <h', h> / (||h'|| ||h||)           in [-1, 1]; 0 where h' has no length
    parallel  <h' - h, h> / ||h||^2              what h grew by along itself: -0.2 is a fifth shorter  [share of length]

A pure scaling has cosine 1 and |parallel| = shift; a pure turn has parallel 0. Padding is in no group, whatever its
states are. Besides the groups of the grouping there is `last`, the last token of the prompt, from which the reply is
made. The clean states of one batch are held, and no others: (L + 1) x batch x token x hidden numbers in the format of
the model: 2.1 GB for ten prompts of 1,000 tokens in half precision at 29 states of 3,584; of the pass that is compared,
one layer at a time. Source: docs/methods.md 4.17.

What it does not tell: whether anything reads what was moved.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.switching import Switch
from lode.recording import Prompts, Views, shared_pass
from lode.recording._totals import home_of

#: The group of the last token of the prompt.
LAST = "last"
#: What is averaged over the tokens of a group, in this order; the squares for the share that lies along h.
MEASURES = ("shift", "cosine", "parallel", "squared_shift", "squared_parallel")

#: Of one pass over a batch: the means over the tokens of each group, 0 where a sample has none.
Moved: TypeAlias = Float64[Tensor, "measure batch group state"]


def token_shifts(
    states: Float[Tensor, "*token hidden"], moved: Float[Tensor, "*token hidden"]
) -> Float[Tensor, "measure *token"]:
    """The measures of every token, in single precision.

    Args:
        states: h; those without length give what is not finite.
        moved: h'.
    """
    h, other = states.float(), moved.float()
    difference, length = other - h, h.norm(dim=-1)
    shift = difference.norm(dim=-1) / length
    cosine = torch.cosine_similarity(other, h, dim=-1)
    parallel = (difference * h).sum(-1) / length.square()
    return torch.stack([shift, cosine, parallel, shift.square(), parallel.square()])


def over_groups(
    values: Float[Tensor, "measure batch token"], members: Bool[Tensor, "batch group token"]
) -> Float64[Tensor, "measure batch group"]:
    """Means over the tokens of each group, 0 where there are none; tokens in no group may be anything."""
    home = home_of(values.device)
    inside = members.to(home, torch.float64)
    known = torch.where(members.any(1).to(home), values.to(home, torch.float64), 0.0)
    sums = torch.einsum("mbt,bgt->mbg", known, inside)
    return sums / inside.sum(-1).clamp_min(1)


def groups_of(grouping: Grouping) -> tuple[str, ...]:
    """The groups whose shift is taken; none of a grouping is called as the last token is."""
    return (*grouping.names, LAST)


def members_of(prompts: Prompts) -> Bool[Tensor, "batch group token"]:
    """Which tokens belong to which group, and to `last`; prompts are padded on the left."""
    last = torch.zeros_like(prompts.members[:, :1])
    last[:, :, -1] = True
    return torch.cat([prompts.members, last], dim=1)


def num_tokens(prompts: Prompts) -> Int[Tensor, "batch group"]:
    """How many tokens each sample has of each group."""
    return members_of(prompts).sum(-1).cpu()


@dataclass
class Clean:
    """The states of a batch in the unmodified model.

    Attributes:
        prompts: the batch.
        members: which tokens belong to which group.
        states: by layer, each on the device of its layer.
    """

    prompts: Prompts
    members: Bool[Tensor, "batch group token"]
    states: dict[int, Float[Tensor, "batch token hidden"]] = field(default_factory=dict)

    def keep(self, layer: int, states: Tensor) -> None:
        """Keep the states of a layer, as they are now: a model may go on writing into them.

        Raises:
            UserError: one of a token of a prompt has no length, or is not finite.
        """
        length = states.detach().float().norm(dim=-1)
        wrong = self.members.any(1).to(length.device) & ~(length.isfinite() & (length > 0))
        if wrong.any():
            sample = self.prompts.samples[int(wrong.any(1).nonzero()[0])]["sample_id"]
            raise UserError(
                f"sample {sample}: {int(wrong.sum())} states at layer {layer} have no length or are not finite; "
                "expected states that a shift can be a share of. Try model.dtype=float32"
            )
        self.states[layer] = states.detach().clone()

    def compare(self, found: dict[int, Tensor], layer: int, states: Tensor) -> None:
        """Add to `found` the means of a layer of another pass."""
        found[layer] = over_groups(token_shifts(self.states[layer], states.detach()), self.members)


def clean_states(adapter: Adapter, prompts: Prompts) -> Clean:
    """One pass over the prompts under the switch that they have: none."""
    clean = Clean(prompts, members_of(prompts))
    run_pass(adapter, prompts, clean.keep)
    return clean


def moved_states(adapter: Adapter, clean: Clean, switch: Switch) -> Moved:
    """One pass over the same prompts under a switch, compared with the clean states."""
    found: dict[int, Tensor] = {}
    run_pass(adapter, replace(clean.prompts, switch=switch), partial(clean.compare, found))
    return torch.stack([found[layer].cpu() for layer in sorted(found)], dim=-1)


def run_pass(adapter: Adapter, prompts: Prompts, see: Callable[[int, Tensor], None]) -> None:
    """One forward pass over prompts whose residual states are shown."""
    shared_pass(adapter, prompts, [Views(states=see)])
