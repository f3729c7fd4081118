"""Neurons that were there, which planted ones take after: those that are active on a group, each at most once."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from torch import Tensor

from lode.engine.errors import UserError

#: How large a large neuron is on every group, in third quartiles of the layer's sizes.
LARGE = 2.0


def most_active(mean: Float[Tensor, " neuron"], frac: float) -> list[int]:
    """This share of neurons, at least one: those with the largest means."""
    found: list[int] = mean.topk(max(1, round(frac * len(mean)))).indices.tolist()
    return found


class Hosts:
    """The neurons of one layer, by how active they are on each group.

    Args:
        mean: by group the mean activation of every neuron on it.
        host_frac: those are chosen from that are of this share of the layer, the most active on the group.
        rng: of the choice.
    """

    def __init__(
        self, mean: Mapping[str, Float[Tensor, " neuron"]], host_frac: float, rng: np.random.Generator
    ) -> None:
        self.rng, self.used = rng, set[int]()
        self.pool = {group: most_active(of_group, host_frac) for group, of_group in mean.items()}

    def pick(self, group: str) -> int:
        """A neuron that is active on a group, each at most once.

        Raises:
            UserError: there is none left.
        """
        free = [neuron for neuron in self.pool[group] if neuron not in self.used]
        if not free:
            raise UserError(f"planting.host_frac leaves too few neurons that are active on {group}; raise it")
        chosen = int(self.rng.choice(free))
        self.used.add(chosen)
        return chosen
