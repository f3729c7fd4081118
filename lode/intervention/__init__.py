"""Interventions: one file each. What is done to a set of neurons while the model runs.

A plug-in `lode/intervention/<name>.py` says what the new activations of the neurons are; where and when they take them
is said by the switches of the `intervention` section, which hold for every plug-in. It has one public function::

    new_values(site: Site, **options) -> Tensor     # broadcasts to (batch, token, chosen neuron)

and two constants:

- `NEEDS`: the reference values that it reads, of `class_means` (`site.own_mean`, `site.other_mean`; makes the ablation
  depend on the importance table) and `donors` (`site.donor_mean`; one more pass a batch). Most need none.
- `IN_WEIGHTS`: whether the new value is 0 always, so that zeroed columns of `down_proj` do the same and cost nothing.

The switches:

- `neurons`: `set`, or `others`: all neurons that are not in the set.
- `tokens`: `all`; `own`: those of the set's group, T_m, all of them in the prompt; `generated`: those of the reply.
- `passes`: `prefill`, which reads the prompt; `decode`, in which tokens of the reply pass one by one; `both`.

The group of a control is that of the set it is matched to. The union `all` serves no one group: its group, and
that of its controls, is `prompt`, every token of the prompt.

A pass over a prompt with its gold answer counts as what it stands for: prefill of the prompt, then decoding of the
answer. Each sample is changed by itself, so that a batch of n is n batches of one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.tokens import REPLY
from lode.model.weights import by_layer, zeroed_columns


@dataclass(frozen=True)
class Site:
    """The gate site of one layer in one forward pass, as a plug-in sees it.

    Attributes:
        activations: of all neurons of the layer (batch, token, neuron).
        chosen: of the neurons that are switched (batch, token, chosen).
        tokens: what every token is: the place of its part in the grouping, `REPLY`, or -1 for padding and for no part.
        means: of the chosen neurons over the set's own group and over the others (2, chosen), where needed.
        donors: of the chosen neurons over each part of another sample (batch, part, chosen), where needed.
        reply_part: the place of the part that a token of the reply counts as among the donors.
    """

    activations: Float[Tensor, "batch token neuron"]
    chosen: Float[Tensor, "batch token chosen"]
    tokens: Int[Tensor, "batch token"]
    means: Float[Tensor, "2 chosen"] | None = None
    donors: Float[Tensor, "batch part chosen"] | None = None
    reply_part: int = 0

    @property
    def prompt(self) -> Bool[Tensor, "batch token"]:
        """Which tokens are of the prompt: neither of the reply nor padding."""
        return (self.tokens >= 0) & (self.tokens != REPLY)

    @property
    def own_mean(self) -> Float[Tensor, " chosen"]:
        """The mean over tokens of the set's group."""
        assert self.means is not None, "declare NEEDS = ('class_means',)"
        return self.means[0]

    @property
    def other_mean(self) -> Float[Tensor, " chosen"]:
        """The mean of the means over the parts that the set's group is not made of."""
        assert self.means is not None, "declare NEEDS = ('class_means',)"
        return self.means[1]

    @property
    def donor_mean(self) -> Float[Tensor, "batch token chosen"]:
        """For every token the mean over the tokens of its part in another sample; a reply counts as `reply_part`."""
        assert self.donors is not None, "declare NEEDS = ('donors',)"
        codes = self.tokens.masked_fill(~self.prompt, self.reply_part)
        return self.donors[torch.arange(len(codes), device=codes.device)[:, None], codes]


@dataclass(frozen=True)
class Intervention:
    """An `intervention` section ready to act: what the new values are, where and when.

    Attributes:
        new_values: that of the plug-in, with its options.
        in_weights: as `IN_WEIGHTS` of the plug-in.
        needs: as `NEEDS` of the plug-in.
        neurons, tokens, passes: the switches.
        class_means: by group, means of every neuron (2, layer, neuron) over it and over the others, where needed.
        grouping: what is compared; None: it is not asked what a group is made of.
    """

    new_values: Callable[[Site], Tensor]
    in_weights: bool = False
    needs: tuple[str, ...] = ()
    neurons: str = "set"
    tokens: str = "all"
    passes: str = "both"
    class_means: Mapping[str, Float[np.ndarray, "2 layer neuron"]] = field(default_factory=dict)
    grouping: Grouping | None = None

    @property
    def everywhere(self) -> bool:
        """Whether it acts on every token of every pass."""
        return (self.tokens, self.passes) == ("all", "both")

    @property
    def compared(self) -> Grouping:
        """What is compared."""
        assert self.grouping is not None, "`tokens: own` and donors ask what groups are made of"
        return self.grouping


#: What the control of this name undergoes whatever the intervention: it must change nothing, bit for bit.
SHAM = Intervention(lambda site: site.chosen * 1)


def from_config(section: Any, grouping: Grouping) -> Intervention:
    """The intervention of a section of the config, on tokens of some groups, without reference values."""
    plugin = import_module(f"lode.intervention.{section.plugin}")
    return Intervention(
        partial(plugin.new_values, **section.options),
        plugin.IN_WEIGHTS,
        plugin.NEEDS,
        section.neurons,
        section.tokens,
        section.passes,
        grouping=grouping,
    )


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
    neurons: Any,
    group: str,
    tokens: Int[Tensor, "batch token"],
    donors: Sequence[Float[Tensor, "batch part neuron"]] | None = None,
) -> Iterator[None]:
    """Within the context the neurons are switched; leaving it restores the model bit for bit.

    Args:
        adapter: the model.
        intervention: what is done.
        neurons: (layer, neuron) pairs of the set.
        group: that the set serves.
        tokens: what every token of the first pass is (as in `Site`); every later pass holds one token of the reply.
        donors: of every layer means of another sample for each sample, where needed.
    """
    pairs = neurons if intervention.neurons == "set" else others(adapter, neurons)
    with ExitStack() as stack:
        if intervention.in_weights and intervention.everywhere:
            stack.enter_context(zeroed_columns(adapter, pairs))
        else:
            means = intervention.class_means[group] if "class_means" in intervention.needs else None
            first, decoding = acted_on(intervention, tokens, group), acts_on_replies(intervention)
            acted = first if first.any() else None
            reply_part = intervention.compared.reply_place if "donors" in intervention.needs else 0
            for layer, indices in by_layer(pairs).items():
                device = adapter.down_proj[layer].weight.device  # layers may be spread
                index = torch.tensor(indices, device=device)
                of_layer = None if means is None else torch.from_numpy(means[:, layer][:, indices]).float().to(device)
                of_donors = None if donors is None else donors[layer]
                hook = _Hook(intervention.new_values, tokens, acted, decoding, index, of_layer, of_donors, reply_part)
                stack.callback(adapter.activation[layer].register_forward_hook(hook).remove)
        yield


def others(adapter: Adapter, neurons: Any) -> list[tuple[int, int]]:
    """Every (layer, neuron) of the model that is not in the set."""
    kept = by_layer(neurons)
    return [
        (layer, neuron)
        for layer in range(adapter.num_layers)
        for neuron in sorted(set(range(adapter.num_neurons)) - set(kept.get(layer, ())))
    ]


@dataclass(frozen=True)
class _Hook:
    """Replaces the activations of some neurons of one layer.

    Attributes:
        new_values: as of `Intervention`.
        tokens: what every token of the first pass is.
        acted: which of them are replaced; None: none is.
        decoding: whether those of later passes are.
        index: the neurons.
        means, donors: as of `Site`, of the chosen neurons and of all.
        reply_part: as of `Site`.
    """

    new_values: Callable[[Site], Tensor]
    tokens: Tensor
    acted: Tensor | None
    decoding: bool
    index: Tensor
    means: Tensor | None
    donors: Tensor | None
    reply_part: int = 0

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
        site = Site(activations, chosen, tokens.to(activations.device), means, donors, self.reply_part)
        new = torch.where(acted[..., None].to(activations.device), self.new_values(site), chosen).to(activations.dtype)
        # in place: nobody else holds what an activation function has just made
        return activations.index_copy_(-1, self.index, new)
