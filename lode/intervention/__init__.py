"""Interventions: one file each. What is done to a set of neurons while the model runs.

A plug-in `lode/intervention/<name>.py` says what the new activations of the neurons are; where and when they take them
is said by the switches of the `intervention` section, which hold for every plug-in. It has one public function::

    new_values(view: View, **options) -> Tensor     # broadcasts to (batch, token, chosen neuron)

and two constants:

- `NEEDS`: the reference values that it reads, of `class_means` (`view.own_mean`, `view.other_mean`; makes the ablation
  depend on the importance table) and `donors` (`view.donor_mean`; one more pass a batch). Most need none.
- `IN_WEIGHTS`: whether the new value is 0 always, so that zeroed columns of the reader do the same and cost nothing.

The switches:

- `neurons`: `set`, or `others`: all neurons of the same sites that are not in the set.
- `tokens`: `all`; `own`: those of the set's modality, T_m, all of them in the prompt; `generated`: those of the reply.
- `passes`: `prefill`, which reads the prompt; `decode`, in which tokens of the reply pass one by one; `both`.

The modality of a control is that of the set it is matched to. The union `all` serves no one modality: its modality, and
that of its controls, is `prompt`, every token of the prompt.

A pass over a prompt with its gold answer counts as what it stands for: prefill of the prompt, then decoding of the
answer. Each sample is changed by itself, so that a batch of n is n batches of one.

Within an encoder or a projector an activation belongs to a patch, a frame or a query, not to a token of the prompt. An
intervention acts on all of them there, shown as (1, row, neuron), and one sample at a time; zeros in the weights work
with any batch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.adapter import Adapter
from lode.model.sites import Site, others
from lode.model.weights import switchable, zeroed_columns
from lode.neurons import Pairs, Places, by_layer
from lode.shapes import MEMBERS, REPLY, TOKEN_MODALITIES

_TEXT = TOKEN_MODALITIES.index("text")
Hook: TypeAlias = Callable[[Any, Any, Tensor], Tensor | None]


@dataclass(frozen=True)
class View:
    """One layer of a site in one forward pass, as a plug-in sees it.

    Attributes:
        activations: of all neurons of the layer (batch, token, neuron); where rows are no tokens
            (1, row, neuron).
        chosen: of the neurons that are switched (batch, token, chosen).
        tokens: what every token is: an index into `TOKEN_MODALITIES`, `REPLY`, or -1 for padding; None where rows are
            no tokens: all of them count as prompt.
        means: of the chosen neurons over the set's own modality and over the others (2, chosen), where needed.
        donors: of the chosen neurons over each token modality of another sample (batch, modality, chosen), where
            needed.
    """

    activations: Float[Tensor, "batch token neuron"]
    chosen: Float[Tensor, "batch token chosen"]
    tokens: Int[Tensor, "batch token"] | None
    means: Float[Tensor, "2 chosen"] | None = None
    donors: Float[Tensor, "batch modality chosen"] | None = None

    @property
    def prompt(self) -> Bool[Tensor, "batch token"]:
        """Which tokens are of the prompt: neither of the reply nor padding."""
        if self.tokens is None:
            return torch.ones_like(self.activations[..., 0], dtype=torch.bool)
        return (self.tokens >= 0) & (self.tokens != REPLY)

    @property
    def own_mean(self) -> Float[Tensor, " chosen"]:
        """The mean over tokens of the set's modality."""
        assert self.means is not None, "declare NEEDS = ('class_means',)"
        return self.means[0]

    @property
    def other_mean(self) -> Float[Tensor, " chosen"]:
        """The mean of the means over the token modalities that are not the set's."""
        assert self.means is not None, "declare NEEDS = ('class_means',)"
        return self.means[1]

    @property
    def donor_mean(self) -> Float[Tensor, "batch token chosen"]:
        """For every token the mean over the tokens of its modality in another sample; a reply counts as text."""
        assert self.tokens is not None, "rows have no donors"
        assert self.donors is not None, "declare NEEDS = ('donors',)"
        codes = self.tokens.masked_fill(~self.prompt, _TEXT)
        return self.donors[torch.arange(len(codes), device=codes.device)[:, None], codes]


@dataclass(frozen=True)
class Intervention:
    """An `intervention` section ready to act: what the new values are, where and when.

    Attributes:
        new_values: that of the plug-in, with its options.
        in_weights: as `IN_WEIGHTS` of the plug-in.
        needs: as `NEEDS` of the plug-in.
        neurons, tokens, passes: the switches.
        class_means: by modality, means of every neuron (2, layer, neuron) over it and over the others, where needed.
    """

    new_values: Callable[[View], Tensor]
    in_weights: bool = False
    needs: tuple[str, ...] = ()
    neurons: str = "set"
    tokens: str = "all"
    passes: str = "both"
    class_means: Mapping[str, Float[np.ndarray, "2 layer neuron"]] = field(default_factory=dict)

    @property
    def everywhere(self) -> bool:
        """Whether it acts on every token of every pass."""
        return (self.tokens, self.passes) == ("all", "both")


#: What the control of this name undergoes whatever the intervention: it must change nothing, bit for bit.
SHAM = Intervention(lambda view: view.chosen * 1)


def from_config(section: Any) -> Intervention:
    """The intervention of a section of the config, without reference values."""
    plugin = import_module(f"lode.intervention.{section.plugin}")
    return Intervention(
        partial(plugin.new_values, **section.options),
        plugin.IN_WEIGHTS,
        plugin.NEEDS,
        section.neurons,
        section.tokens,
        section.passes,
    )


def acted_on(
    intervention: Intervention, tokens: Int[Tensor, "batch token"], modality: str
) -> Bool[Tensor, "batch token"]:
    """The tokens whose activations are replaced."""
    reply, all_tokens = tokens == REPLY, torch.ones_like(tokens, dtype=torch.bool)
    own = torch.tensor([TOKEN_MODALITIES.index(member) for member in MEMBERS[modality]], device=tokens.device)
    which = {"all": all_tokens, "own": torch.isin(tokens, own), "generated": reply}[intervention.tokens]
    return which & {"both": all_tokens, "prefill": ~reply, "decode": reply}[intervention.passes]


def acts_on_replies(intervention: Intervention) -> bool:
    """Whether the activations of tokens of the reply are replaced."""
    return intervention.tokens != "own" and intervention.passes != "prefill"


@contextmanager
def switched(
    adapter: Adapter,
    intervention: Intervention,
    places: Places,
    modality: str,
    tokens: Int[Tensor, "batch token"],
    donors: Sequence[Float[Tensor, "batch modality neuron"]] | None = None,
) -> Iterator[None]:
    """Within the context the neurons are switched; leaving it restores the model bit for bit.

    Args:
        adapter: the model.
        intervention: what is done.
        places: the neurons of the set.
        modality: of the set, a key of `MEMBERS`.
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
                of_tokens = token_hooks if site.has_tokens else row_hooks
                for layer, hook in of_tokens(site, intervention, pairs, modality, tokens, donors).items():
                    stack.callback(site.activation[layer].register_forward_hook(hook).remove)
        yield


def token_hooks(
    site: Site,
    intervention: Intervention,
    pairs: Pairs,
    modality: str,
    tokens: Int[Tensor, "batch token"],
    donors: Sequence[Float[Tensor, "batch modality neuron"]] | None,
) -> dict[int, Hook]:
    """By layer what replaces activations where these are of tokens; arguments are those of `switched`."""
    means = intervention.class_means[modality] if "class_means" in intervention.needs else None
    first, decoding = acted_on(intervention, tokens, modality), acts_on_replies(intervention)
    acted = first if first.any() else None
    hooks: dict[int, Hook] = {}
    for layer, indices in by_layer(pairs).items():
        device = site.reader[layer].weight.device  # layers may be spread
        index = torch.tensor(indices, device=device)
        of_layer = None if means is None else torch.from_numpy(means[:, layer][:, indices]).float().to(device)
        of_donors = None if donors is None else donors[layer]
        hooks[layer] = _Hook(intervention.new_values, tokens, acted, decoding, index, of_layer, of_donors)
    return hooks


def row_hooks(
    site: Site,
    intervention: Intervention,
    pairs: Pairs,
    modality: str,
    tokens: Int[Tensor, "batch token"],
    donors: Sequence[Float[Tensor, "batch modality neuron"]] | None,
) -> dict[int, Hook]:
    """By layer what replaces activations where rows are no tokens; arguments are those of `switched`.

    Raises:
        UserError: the intervention asks what tokens rows are or takes values from elsewhere, or several samples.
    """
    del modality, donors  # of tokens
    if not intervention.everywhere or intervention.needs:
        needs = "".join(f", needing {need}" for need in intervention.needs)
        raise UserError(
            f"an intervention with tokens={intervention.tokens}, passes={intervention.passes}{needs} at site "
            f"{site.name}: no tokens or means of its rows are known; expected all, both, and zero, scale or constant"
        )
    if len(tokens) != 1:
        raise UserError(
            f"{len(tokens)} samples in a batch, and an intervention by hooks at site {site.name}: which rows are whose "
            "is not known; expected one sample at a time (ablation.batch_size=1), or intervention zero, which works "
            "with any batch"
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
