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
- `tokens`: `all`; `own`: those of the set's group, T_m, all of them in the prompt; `generated`: those of the reply.
- `passes`: `prefill`, which reads the prompt; `decode`, in which tokens of the reply pass one by one; `both`.

The group of a control is that of the set it is matched to. The union `all` serves no one group: its group, and
that of its controls, is `prompt`, every token of the prompt.

A pass over a prompt with its gold answer counts as what it stands for: prefill of the prompt, then decoding of the
answer. Each sample is changed by itself, so that a batch of n is n batches of one.

Within an encoder or a projector an activation belongs to a patch, a frame or a query, not to a token of the prompt. An
intervention acts on all of them there, shown as (1, row, neuron), and one sample at a time; zeros in the weights work
with any batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.grouping import Grouping
from lode.model.tokens import REPLY


@dataclass(frozen=True)
class View:
    """One layer of a site in one forward pass, as a plug-in sees it.

    Attributes:
        activations: of all neurons of the layer (batch, token, neuron); where rows are no tokens
            (1, row, neuron).
        chosen: of the neurons that are switched (batch, token, chosen).
        tokens: what every token is: the place of its part in the grouping, `REPLY`, or -1 for padding;
            None where rows are no tokens: all of them count as prompt.
        means: of the chosen neurons over the set's own group and over the others (2, chosen), where needed.
        donors: of the chosen neurons over each part of another sample, and last over what a token of its reply
            counts as (batch, part and reply, chosen), where needed.
    """

    activations: Float[Tensor, "batch token neuron"]
    chosen: Float[Tensor, "batch token chosen"]
    tokens: Int[Tensor, "batch token"] | None
    means: Float[Tensor, "2 chosen"] | None = None
    donors: Float[Tensor, "batch place chosen"] | None = None

    @property
    def prompt(self) -> Bool[Tensor, "batch token"]:
        """Which tokens are of the prompt: neither of the reply nor padding."""
        if self.tokens is None:
            return torch.ones_like(self.activations[..., 0], dtype=torch.bool)
        return (self.tokens >= 0) & (self.tokens != REPLY)

    @property
    def own_mean(self) -> Float[Tensor, " chosen"]:
        """The mean over tokens of the set's group."""
        assert self.means is not None, "declare NEEDS = ('class_means',)"
        return self.means[0]

    @property
    def other_mean(self) -> Float[Tensor, " chosen"]:
        """The mean of the means over the groups that the set's group is compared with."""
        assert self.means is not None, "declare NEEDS = ('class_means',)"
        return self.means[1]

    @property
    def donor_mean(self) -> Float[Tensor, "batch token chosen"]:
        """For every token the mean over the tokens of its part in another sample; of a reply, over its text."""
        assert self.tokens is not None, "rows have no donors"
        assert self.donors is not None, "declare NEEDS = ('donors',)"
        codes = self.tokens.masked_fill(~self.prompt, self.donors.shape[1] - 1)
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

    new_values: Callable[[View], Tensor]
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
SHAM = Intervention(lambda view: view.chosen * 1)


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
