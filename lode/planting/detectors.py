"""The neurons that are planted in an encoder or a projector: linear detectors of a group on the rows of media.

Such a layer has no second factor, as the gate has: a neuron writes act(g x + b) times its column, and is silent only
where its gate is far down. All that passes there are rows of media, so what it can be specific to is a group of
samples. A *detector* of group m reads x along Fisher's direction v = W^-1 (mean on m - mean elsewhere), W being the
covariance within groups, largely that of the other groups, whose rows it must not take for its own. It is scaled so
that the means on m and elsewhere are `strength` standard deviations apart (the median of those of the gates of the
layer), and shifted so that the largest of all other rows lies `_MARGIN` of that distance below 0.

- *planted*: a detector, and the column of a neuron that is active on m, scaled to an ordinary size on m. It adds to
  what the model writes on m; without all planted neurons the model computes what it did.
- *specific_mute*: a detector, and a column of zeros.
- *large_unspecific*: the gate of a host, active on m, and so much of its column as is large on every group; the host
  loses it.
- *cancelling* pair: a large gate everywhere, and columns that cancel each other.
- *existing*: those that were there. What room is left they fill twice: a neuron and its twin write half of it each.

Source: docs/methods.md 5.1; R. A. Fisher, Annals of Eugenics 7 (1936) 179.
What it does not tell: a planted neuron is linear in what the site reads, and is not what training makes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lode.engine.errors import UserError
from lode.planting.hosts import LARGE, Hosts
from lode.planting.rows import Rows

#: How much of the covariance within groups is that of the detector's own, which may be missed; the rest is the others'.
_OWN = 0.05
#: What is added to the covariance, in its mean eigenvalues.
_RIDGE = 0.1
#: How far below 0 the largest of all other rows is kept, as a share of the distance of the means.
_MARGIN = 0.3
#: The share of samples that each detector is fitted on, drawn for it: no two are the same.
_FITTED = 0.75
#: A detector fires on at least this share of the rows of its group.
LEAST_FIRING = 0.05
#: Ordinary sizes lie between these quantiles of a layer's; the proof asks for the middle half, on other samples.
_ORDINARY = (0.45, 0.55)


@dataclass(frozen=True)
class RowNeuron:
    """One neuron to add, and what is true of it; `pair` is -1, or a number that partners share."""

    role: str
    group: str
    gate: Float[Tensor, " feature"]
    bias: float
    down: Float[Tensor, " hidden"]
    pair: int = -1


@dataclass
class RowDesign:
    """What goes into one layer: neurons to add, and the columns that are left to hosts and twins."""

    added: list[RowNeuron] = field(default_factory=list)
    hosts: dict[int, Float[Tensor, " hidden"]] = field(default_factory=dict)
    twins: dict[int, int] = field(default_factory=dict)  # by neuron its pair


class RowLayer:
    """One layer of the model as it was, with what is needed to design neurons for it.

    Args:
        first, reader: the linear maps before and after the activations.
        act: the activation.
        num_before: neurons that were there.
        rows: what the layer reads on real samples.
        groups: that are planted, in the order of the places of `rows`.
        host_frac: directions and hosts are of this share of the layer, the most active on the group.
        strength: how far the means of a detector are apart, in standard deviations of the gates of the layer.
        rng: where every choice comes from.
    """

    def __init__(
        self,
        first: nn.Linear,
        reader: nn.Linear,
        act: Callable[[Tensor], Tensor],
        num_before: int,
        rows: Rows,
        groups: Sequence[str],
        host_frac: float,
        strength: float,
        rng: np.random.Generator,
    ) -> None:
        self.rows, self.groups, self.act, self.rng = rows, tuple(groups), act, rng
        self.gate, self.bias = first.weight.detach()[:num_before].clone(), first.bias.detach()[:num_before].clone()
        self.down = reader.weight.detach().T[:num_before].clone()
        shown = rows.values @ self.gate.T + self.bias
        self.reach = strength * float(shown.std(0).median())
        activations = act(shown)
        inside = [rows.members(place) for place in range(len(self.groups))]
        self.mean = torch.stack([activations[of].mean(0) for of in inside])
        self.size = torch.stack([activations[of].abs().mean(0) for of in inside]) * self.down.norm(dim=1)
        self.hosts = Hosts(dict(zip(self.groups, self.mean, strict=True)), host_frac, rng)

    def shown(self, gate: Float[Tensor, " feature"], bias: float, place: int) -> Float[Tensor, " row"]:
        """The activations of a neuron on the rows of a group."""
        return self.act(self.rows.values[self.rows.members(place)] @ gate + bias)

    def fitted(self) -> Bool[Tensor, " row"]:
        """The rows of samples that are drawn to fit a detector on."""
        num_samples = int(self.rows.sample.max()) + 1
        drawn = self.rng.permutation(num_samples) < _FITTED * num_samples
        return torch.from_numpy(drawn)[self.rows.sample]


def direction(rows: Rows, place: int, fitted: Bool[Tensor, " row"]) -> Float[Tensor, " feature"]:
    """Fisher's direction of one group against the others, each of which weighs the same; float64."""
    own = rows.values[fitted & rows.members(place)].double()
    codes = [code for code in rows.group.unique().tolist() if code != place]
    others = [rows.values[fitted & rows.members(code)].double() for code in codes]
    within = _OWN * own.T.cov() + (1 - _OWN) * torch.stack([of.T.cov() for of in others]).mean(0)
    ridge = _RIDGE * within.diagonal().mean() * torch.eye(len(within), dtype=torch.float64)
    return torch.linalg.solve(within + ridge, own.mean(0) - torch.stack([of.mean(0) for of in others]).mean(0))


def detector(layer: RowLayer, place: int) -> tuple[Float[Tensor, " feature"], float] | None:
    """The gate and bias of a neuron that fires on rows of a group alone; None where too few of these can be told."""
    rows = layer.rows
    fitted, own = layer.fitted(), rows.members(place)
    toward = direction(rows, place, fitted)
    scores = rows.values.double() @ toward
    distance = float(scores[fitted & own].mean() - scores[fitted & ~own].mean())
    scale = layer.reach / distance
    bias = -scale * (float(scores[~own].max()) + _MARGIN * distance)
    if float((scale * scores[own] + bias > 0).double().mean()) < LEAST_FIRING:
        return None
    return (scale * toward).float(), bias


def add_detectors(layer: RowLayer, design: RowDesign, place: int, num_planted: int, num_mute: int) -> None:
    """Planted and mute neurons of a group, as many as can be told from others here."""
    group = layer.groups[place]
    for role in ["planted"] * num_planted + ["specific_mute"] * num_mute:
        found = detector(layer, place)
        if found is None:
            continue
        like = layer.hosts.pick(layer.groups[place])
        size = float(layer.size[place].quantile(layer.rng.uniform(*_ORDINARY)))
        shown = float(layer.shown(*found, place).abs().mean())
        share = size / shown / float(layer.down[like].norm()) if role == "planted" else 0.0
        design.added.append(RowNeuron(role, group, *found, share * layer.down[like]))


def add_large(layer: RowLayer, design: RowDesign, place: int) -> None:
    """A neuron that is larger than ordinary on every group, which its host, active on one of them, takes back."""
    host = layer.hosts.pick(layer.groups[place])
    share = float((LARGE * layer.size.quantile(0.75, dim=1) / layer.size[:, host]).max())
    taken = share * layer.down[host]
    design.added.append(RowNeuron("large_unspecific", "", layer.gate[host], float(layer.bias[host]), taken))
    design.hosts[host] = layer.down[host] - taken


def add_cancelling_rows(layer: RowLayer, design: RowDesign, pair: int) -> None:
    """Two neurons, more active on every group than any of the layer, that write the opposite of each other."""
    like = layer.hosts.pick(layer.groups[pair % len(layer.groups)])
    bias = float(layer.bias[like]) + 3 * float(layer.mean.max())
    for sign in (1, -1):
        design.added.append(RowNeuron("cancelling", "", layer.gate[like], bias, sign * layer.down[like], pair))


def add_twins(layer: RowLayer, design: RowDesign, num_free: int, first_pair: int) -> None:
    """Fill what room is left with the twins of neurons that were there.

    Raises:
        UserError: more neurons were designed than there is room for.
    """
    num_twins = num_free - len(design.added)
    if num_twins < 0:
        raise UserError(
            f"planting asks for {len(design.added)} neurons a layer, and there is room for {num_free}: plant fewer"
        )
    others = [neuron for neuron in range(len(layer.gate)) if neuron not in design.hosts]
    for number, neuron in enumerate(layer.rng.permutation(others)[:num_twins].tolist()):
        pair, half = first_pair + number, layer.down[neuron] / 2
        design.added.append(RowNeuron("existing", "", layer.gate[neuron], float(layer.bias[neuron]), half, pair))
        design.hosts[neuron], design.twins[neuron] = half, pair
