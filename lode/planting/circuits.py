"""The neurons that are planted: their gate, up and down weights, as rows over the widened residual stream.

Every modality m has a reserved channel e_m: a tiny constant in the embedding of each of its tokens, read by nothing
but planted neurons. After the norm of a feed-forward layer it reads 1 on average on tokens of m, and *exactly* 0
elsewhere. A neuron adds act(gate) * up * down, so one whose up row is c e_m writes exactly nothing outside m,
whatever its gate shows there. How much the gate shows is the `strength` of the planting.

The *size* of a neuron on m is the mean over the tokens of m of |h| * ||w||, where h is its hidden activation and w its
down column. Planted and redundant neurons have an ordinary one: it is drawn from the middle of what the neurons of the
layer have on m.

- *planted* p, with a host n that is already there: gate_p = gate_n - strength * sd(gate_n) * (other channels),
  up_p = c e_m, down_p = down_n, and up_n loses c e_m. On m both gates agree, so the two add up to what n wrote alone;
  off m, p writes nothing. The model computes what it did; without p, n is wrong by c on the tokens of m.
- *redundant* pair: each writes to a channel of the pair on every token of m, and beside it the opposite of what the
  other writes, of ordinary size. A *sentinel* in the next layer is silent while it hears one of them, and else destroys
  the tokens of m. Switching one changes as little as an ordinary neuron does, both a lot.
- *specific_mute*: the gate of a planted neuron, and a down column of zeros.
- *large_unspecific* q, with a host n: as a planted neuron, but on every modality, and larger than ordinary on each.
- *cancelling* pair: a large gate on all modalities, and down columns that cancel each other.
- *dead*: zeros, to fill up layers.

Source: docs/methods.md 5.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lode.planting.calibration import LayerTokens
from lode.planting.hosts import LARGE, Hosts

#: Below this a float32 SiLU is 0: its sigmoid underflows.
_SILENT = -120.0
#: How far above 0 a redundant neuron's gate is kept, as a share of its mean.
_MARGIN = 0.1
#: So many times further down than on the samples a gate may be on other tokens before a redundant neuron is silent.
_ROOM = 4.0
#: Ordinary sizes lie between these quantiles of a layer's: well inside the middle half, which the proof asks for.
_ORDINARY = (0.3, 0.7)


@dataclass(frozen=True)
class Neuron:
    """One neuron to add, and what is true of it; `pair` is -1, or a number that partners share."""

    role: str
    modality: str
    gate: Float[Tensor, " wide"]
    up: Float[Tensor, " wide"]
    down: Float[Tensor, " wide"]
    pair: int = -1


@dataclass
class Design:
    """What goes into one layer: neurons to add, and what the up rows of hosts lose."""

    added: list[Neuron] = field(default_factory=list)
    hosts: dict[int, Float[Tensor, " wide"]] = field(default_factory=dict)


class Layer:
    """One layer of the model as it was, with what is needed to design neurons for it.

    Args:
        mlp: the layer's feed-forward module.
        tokens: what it reads on real samples.
        modalities: those that have a channel, in the order of the channels.
        host_frac: neurons are modelled on this share of the layer, the most active on the modality.
        strength: how far gates are pushed down outside their modality, in standard deviations of their host's.
        rng: where every choice comes from.
    """

    def __init__(
        self,
        mlp: Any,
        tokens: LayerTokens,
        modalities: Sequence[str],
        host_frac: float,
        strength: float,
        rng: np.random.Generator,
    ) -> None:
        self.tokens, self.modalities, self.strength, self.rng = tokens, tuple(modalities), strength, rng
        self.gate, self.up = mlp.gate_proj.weight.detach(), mlp.up_proj.weight.detach()
        self.down = mlp.down_proj.weight.detach().T
        self.width = self.gate.shape[1]
        activations = mlp.act_fn(tokens.inputs @ self.gate.T)
        self.mean = {m: activations[tokens.members(m)].mean(0) for m in self.modalities}
        self.hosts = Hosts(self.mean, host_frac, rng)
        written = (activations * (tokens.inputs @ self.up.T)).abs() * self.down.norm(dim=1)
        self.size = {m: written[tokens.members(m)].mean(0) for m in self.modalities}

    def ordinary_size(self, modality: str) -> float:
        """A size as the neurons of the layer have it on the modality."""
        return float(self.size[modality].quantile(self.rng.uniform(*_ORDINARY)))

    def channel(self, index: int) -> Float[Tensor, " wide"]:
        """The direction of a reserved channel; those of the modalities come first."""
        row = torch.zeros(2 * self.width)
        row[self.width + index] = 1
        return row

    def own(self, modality: str) -> Float[Tensor, " wide"]:
        """The channel of a modality."""
        return self.channel(self.modalities.index(modality))

    def mark(self, modality: str) -> Float[Tensor, " wide"]:
        """A row that reads 1, on average, at tokens of the modality, and 0 at others."""
        return self.own(modality) / float(self.tokens.unit[self.tokens.members(modality)].mean())

    def widened(self, weight: Float[Tensor, " hidden"]) -> Float[Tensor, " wide"]:
        """A row of the model as it was, with zeros on the new half."""
        return torch.cat([weight, torch.zeros(self.width)])

    def length(self, modality: str) -> float:
        """The mean length of the residual stream at tokens of the modality."""
        return float(self.tokens.rms[self.tokens.members(modality)].mean()) * self.width**0.5

    def specific_gate(self, modality: str, host: int) -> Float[Tensor, " wide"]:
        """The host's gate on the modality, pushed down on all others."""
        push = self.strength * float((self.tokens.inputs @ self.gate[host]).std())
        others = torch.stack([self.mark(m) for m in self.modalities if m != modality]).sum(0)
        return self.widened(self.gate[host]) - push * others


def share(layer: Layer, modality: str, host: int, size: float) -> Float[Tensor, " wide"]:
    """The up row c e_m of a neuron that has the host's gate and down column, and this size on the modality."""
    inside = layer.tokens.members(modality)
    shown = torch.nn.functional.silu(layer.tokens.inputs[inside] @ layer.gate[host]) * layer.tokens.unit[inside]
    return size / float(shown.abs().mean() * layer.down[host].norm()) * layer.own(modality)


def add_planted(layer: Layer, design: Design, modality: str) -> None:
    """A neuron of ordinary size that writes c down_n times its gate on the modality, which its host n takes back."""
    host = layer.hosts.pick(modality)
    up = share(layer, modality, host, layer.ordinary_size(modality))
    gate, down = layer.specific_gate(modality, host), layer.widened(layer.down[host])
    design.added.append(Neuron("planted", modality, gate, up, down))
    design.hosts[host] = up


def add_mute(layer: Layer, design: Design, modality: str) -> None:
    """A neuron that looks planted and writes nothing."""
    host = layer.hosts.pick(modality)
    gate, up = layer.specific_gate(modality, host), layer.widened(layer.up[host])
    design.added.append(Neuron("specific_mute", modality, gate, up, torch.zeros(2 * layer.width)))


def add_unspecific(layer: Layer, design: Design, like: str) -> None:
    """A neuron that is larger than ordinary on every modality, which its host, active on one of them, takes back."""
    host = layer.hosts.pick(like)
    large = {m: LARGE * float(size.quantile(0.75)) for m, size in layer.size.items()}
    up = torch.stack([share(layer, m, host, size) for m, size in large.items()]).sum(0)
    gate, down = layer.widened(layer.gate[host]), layer.widened(layer.down[host])
    design.added.append(Neuron("large_unspecific", "", gate, up, down))
    design.hosts[host] = up


def add_cancelling(layer: Layer, design: Design, pair: int) -> None:
    """Two neurons, more active on every modality than any of the layer, that write the opposite of each other."""
    like = layer.hosts.pick(layer.modalities[pair % len(layer.modalities)])
    level = torch.stack([3 * float(mean.max()) * layer.mark(m) for m, mean in layer.mean.items()]).sum(0)
    gate, up = layer.widened(layer.gate[like]) + level, layer.widened(layer.up[like])
    for sign in (1, -1):
        down = sign * layer.widened(layer.down[like])
        design.added.append(Neuron("cancelling", "", gate, up, down, pair))


def redundant_gate(layer: Layer, modality: str, host: int) -> Float[Tensor, " wide"]:
    """A gate near 1 and above 0 at every token of the modality: the host's, lifted everywhere and then pushed down."""
    inside = layer.tokens.members(modality)
    host_gate, unit = layer.tokens.inputs[inside] @ layer.gate[host], layer.tokens.unit[inside]
    level = _ROOM * float((-host_gate / ((1 - _MARGIN) * unit / unit.mean())).amax().clamp_min(host_gate.std()))
    lift = torch.stack([layer.mark(m) for m in layer.modalities]).sum(0)
    return layer.specific_gate(modality, host) / level + lift


def add_redundant(layer: Layer, design: Design, modality: str, pair: int, channel: int, signal: float) -> None:
    """Two neurons, each of which lifts the pair's channel to at least twice `signal` on every token of the modality.

    Beside it they write the opposite of each other, in the direction of a neuron that is there, to have its size.
    """
    host = layer.hosts.pick(modality)
    inside, own = layer.tokens.members(modality), layer.own(modality)
    unit = layer.tokens.unit[inside]
    gate = redundant_gate(layer, modality, host)
    shown = layer.tokens.inputs[inside] @ gate[: layer.width] + unit * float(gate @ own)
    written = torch.nn.functional.silu(shown) * unit
    lift = 2.5 * signal / float(written.min()) * layer.channel(channel)
    aside = layer.ordinary_size(modality) / float(written.mean()) * layer.widened(layer.down[host])
    aside /= layer.down[host].norm()
    for sign in (1, -1):
        design.added.append(Neuron("redundant", modality, gate, own, lift + sign * aside, pair))


def add_sentinel(layer: Layer, design: Design, modality: str, pair: int, channel: int, effect: float) -> None:
    """A neuron that is silent while it hears a pair, and else writes noise over the tokens of the modality.

    The noise is `effect` times as long as what it is written over.
    """
    inside = layer.tokens.members(modality)
    unit, own = layer.tokens.unit[inside], layer.own(modality)
    loud = -_SILENT / float(unit.min())
    gate = loud * (own - layer.channel(channel))
    noise = torch.from_numpy(layer.rng.standard_normal(layer.width)).float()
    noise *= effect * layer.length(modality) / noise.norm() / float((loud * unit.square()).mean())
    design.added.append(Neuron("sentinel", modality, gate, own, layer.widened(noise), pair))


def paired(options: Any) -> list[str]:
    """The modalities that get redundant pairs."""
    return list(options.groups if options.paired is None else options.paired)


def design_layers(layers: Sequence[Layer], options: Any, signal: float) -> list[Design]:
    """All neurons of all layers; every layer gets equally many.

    Args:
        layers: the model as it was.
        options: the `planting` section.
        signal: the constant in the embeddings, which pairs have to outshout.
    """
    designs = [Design() for _ in layers]
    modalities = layers[0].modalities
    for index, (layer, design) in enumerate(zip(layers, designs, strict=True)):
        for modality in modalities:
            for _ in range(options.num_planted):
                add_planted(layer, design, modality)
            for _ in range(options.num_mute):
                add_mute(layer, design, modality)
            for _ in range(options.num_unspecific):
                add_unspecific(layer, design, modality)
        for pair in range(options.num_cancelling):
            add_cancelling(layer, design, index * options.num_cancelling + pair)
    pair = 0
    for index in range(len(layers) - 1):
        for modality in paired(options):
            for _ in range(options.num_pairs):
                channel = len(modalities) + pair
                add_redundant(layers[index], designs[index], modality, pair, channel, signal)
                add_sentinel(layers[index + 1], designs[index + 1], modality, pair, channel, options.effect)
                pair += 1
    most = max(len(design.added) for design in designs)
    nothing = torch.zeros(2 * layers[0].width)
    for design in designs:
        design.added += [Neuron("dead", "", nothing, nothing, nothing)] * (most - len(design.added))
    return designs
