"""What switching a set does while a model runs: zeroed columns, or hooks that put other activations in their place."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.intervention import SHAM, Intervention, View
from lode.model.adapter import Adapter
from lode.model.sites import Site, others
from lode.model.tokens import REPLY
from lode.model.weights import switchable, zeroed_columns
from lode.neurons import LM_GATE, Pairs, Places, by_layer

Hook: TypeAlias = Callable[[Any, Any, Tensor], Tensor | None]


def acted_on(intervention: Intervention, tokens: Int[Tensor, "batch token"], group: str) -> Bool[Tensor, "batch token"]:
    """The tokens whose activations are replaced."""
    reply, all_tokens = tokens == REPLY, torch.ones_like(tokens, dtype=torch.bool)
    places = intervention.compared.places(group) if intervention.tokens == "own" else []
    own = torch.isin(tokens, torch.tensor(places, dtype=tokens.dtype, device=tokens.device))
    which = {"all": all_tokens, "own": own, "generated": reply}[intervention.tokens]
    return which & {"both": all_tokens, "prefill": ~reply, "decode": reply}[intervention.passes]


def acts_on_replies(intervention: Intervention) -> bool:
    """Whether the activations of tokens of the reply are replaced."""
    return intervention.tokens != "own" and intervention.passes != "prefill"


@contextmanager
def switched(
    adapter: Adapter,
    intervention: Intervention,
    places: Places,
    group: str,
    tokens: Int[Tensor, "batch token"],
    donors: Sequence[Float[Tensor, "batch place neuron"]] | None = None,
) -> Iterator[None]:
    """Within the context the neurons are switched; leaving it restores the model bit for bit.

    Args:
        adapter: the model.
        intervention: what is done.
        places: the neurons of the set.
        group: that the set serves.
        tokens: what every token of the first pass is (as in `View`); every later pass holds one token of the reply.
        donors: of every layer means of another sample for each sample, where needed.

    Raises:
        UserError: neurons that cannot be switched (`lode.model.weights.switchable`), or not so where they are.
    """
    with ExitStack() as stack:
        stack.enter_context(switchable(adapter, places))
        changed = places if intervention.neurons == "set" else others(adapter.sites, places)
        if intervention.in_weights and intervention.everywhere:
            stack.enter_context(zeroed_columns(adapter, changed))
        else:
            for name, pairs in changed.items():
                site = adapter.sites[name]
                if site.has_tokens:
                    hooks = token_hooks(site, intervention, pairs, group, tokens, donors)
                else:
                    hooks = row_hooks(site, intervention, pairs, len(tokens))
                for layer, hook in hooks.items():
                    stack.callback(site.activation[layer].register_forward_hook(hook).remove)
        yield


def token_hooks(
    site: Site,
    intervention: Intervention,
    pairs: Pairs,
    group: str,
    tokens: Int[Tensor, "batch token"],
    donors: Sequence[Float[Tensor, "batch place neuron"]] | None,
) -> dict[int, Hook]:
    """By layer what replaces activations where these are of tokens; arguments are those of `switched`.

    Raises:
        UserError: values that are known of another site, or group, only.
    """
    refuse_unknown_values(site, intervention, group)
    means = intervention.class_means[group] if "class_means" in intervention.needs else None
    first, decoding = acted_on(intervention, tokens, group), acts_on_replies(intervention)
    acted = first if first.any() else None
    hooks: dict[int, Hook] = {}
    for layer, indices in by_layer(pairs).items():
        device = site.reader[layer].weight.device  # layers may be spread
        index = torch.tensor(indices, device=device)
        of_layer = None if means is None else torch.from_numpy(means[:, layer][:, indices]).float().to(device)
        of_donors = None if donors is None else donors[layer]
        hooks[layer] = _Hook(intervention.new_values, tokens, acted, decoding, index, of_layer, of_donors)
    return hooks


def refuse_unknown_values(site: Site, intervention: Intervention, group: str) -> None:
    """Refuse an intervention that takes values from elsewhere where none are known of the site and the group.

    Raises:
        UserError: says which.
    """
    if intervention.needs and site.name != LM_GATE:
        raise UserError(
            f"an intervention that needs {', '.join(intervention.needs)} at site {site.name}: means are known of "
            f"{LM_GATE} only; expected neurons there, or zero, scale, constant or minimum"
        )
    if "class_means" in intervention.needs and group not in intervention.class_means:
        raise UserError(
            f"an intervention that needs class_means for group {group}: the mining data hold "
            f"{', '.join(intervention.class_means) or 'no group'} with something to compare with; mine datasets that "
            "hold it in every one, and others, or choose another intervention"
        )


def row_hooks(site: Site, intervention: Intervention, pairs: Pairs, num_samples: int) -> dict[int, Hook]:
    """By layer what replaces activations where rows are no tokens, of so many samples.

    Raises:
        UserError: the intervention asks what tokens rows are or takes values from elsewhere, or several samples.
    """
    if not intervention.everywhere or intervention.needs:
        needs = "".join(f", needing {need}" for need in intervention.needs)
        raise UserError(
            f"an intervention with tokens={intervention.tokens}, passes={intervention.passes}{needs} at site "
            f"{site.name}: no tokens or means of its rows are known; expected all, both, and zero, scale or constant"
        )
    if num_samples != 1 and intervention is not SHAM:
        raise UserError(
            f"{num_samples} samples in a batch, and an intervention by hooks at site {site.name}: which rows are whose "
            "is not known; expected one sample at a time (ablation.batch_size=1), or zero of all tokens in both "
            "passes, which works with any batch"
        )
    return {
        layer: _RowHook(intervention.new_values, torch.tensor(indices, device=site.reader[layer].weight.device))
        for layer, indices in by_layer(pairs).items()
    }


@dataclass(frozen=True)
class _RowHook:
    """Replaces the activations of some neurons of one layer in every row (..., neuron)."""

    new_values: Callable[[View], Tensor]
    index: Tensor

    def __call__(self, _module: Any, _inputs: Any, activations: Tensor) -> Tensor:
        rows = activations.reshape(1, -1, activations.shape[-1])
        chosen = rows.index_select(-1, self.index)
        new = torch.broadcast_to(self.new_values(View(rows, chosen, None)), chosen.shape).to(activations.dtype)
        return activations.index_copy(-1, self.index, new.reshape(*activations.shape[:-1], -1))


@dataclass(frozen=True)
class _Hook:
    """Replaces the activations of some neurons of one layer.

    Attributes:
        new_values: as of `Intervention`.
        tokens: what every token of the first pass is.
        acted: which of them are replaced; None: none is.
        decoding: whether those of later passes are.
        index: the neurons.
        means, donors: as of `View`, of the chosen neurons and of all.
    """

    new_values: Callable[[View], Tensor]
    tokens: Tensor
    acted: Tensor | None
    decoding: bool
    index: Tensor
    means: Tensor | None
    donors: Tensor | None

    def __call__(self, _module: Any, _inputs: Any, activations: Tensor) -> Tensor | None:
        tokens, acted = self.tokens, self.acted
        if activations.shape[1] != tokens.shape[1]:
            assert activations.shape[1] == 1, "a decoding step has one token"
            tokens = torch.full_like(tokens[:, :1], REPLY)
            acted = torch.ones_like(tokens, dtype=torch.bool) if self.decoding else None
        if acted is None:
            return None
        chosen = activations.index_select(-1, self.index)
        means = None if self.means is None else self.means.to(activations.dtype)
        donors = None if self.donors is None else self.donors[:, :, self.index]
        view = View(activations, chosen, tokens.to(activations.device), means, donors)
        new = torch.where(acted[..., None].to(activations.device), self.new_values(view), chosen).to(activations.dtype)
        # in place: nobody else holds what an activation function has just made
        return activations.index_copy_(-1, self.index, new)
