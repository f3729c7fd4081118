"""Mergeable sums of what a recording sees: everything downstream derives from them, and shards merge by adding.

Memory depends on (group, layer, neuron) alone, never on the number of samples. Source: docs/methods.md 1.9.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lode.engine.errors import UserError
from lode.neurons import LM_GATE
from lode.recording import Prompts
from lode.table._dense import list_column, neuron_columns

#: By the name of a column what one layer of a batch adds to it: (group, neuron), with an axis of items too where it is
#: one of lists, and `num_constant` a number.
LayerSums = dict[str, Tensor]


def home_of(device: torch.device) -> torch.device:
    """Where the sums of a layer are kept: beside the layer, or on the CPU for Metal, which has no double precision."""
    return torch.device("cpu") if device.type == "mps" else device


def refuse_infinite(layer: int, sums: Mapping[str, Tensor]) -> None:
    """Refuse the sums of a layer unless all are finite: the model overflowed, or its weights are broken."""
    if not torch.stack([values.isfinite().all() for values in sums.values()]).all():
        names = ", ".join(name for name, values in sums.items() if not values.isfinite().all())
        raise UserError(
            f"layer {layer}: NaN or infinity in {names} of a batch: the model's activations are not finite. Use "
            "model.dtype=bfloat16 or float32 in place of float16, or look for NaN in its weights"
        )


class Totals:
    """Running sums per (group, layer, neuron), in double precision.

    Attributes:
        groups: the names of the group axis.
        shape: (layer, neuron).
        num_samples: samples that hold each group (group).
        num_tokens: tokens of each group (group).
        totals: of each layer the sums by the name of their column, on the layer's own device.
        site: where the neurons are.
        dead: layers that cannot matter, whose sums are given as 0.
    """

    def __init__(
        self, groups: Sequence[str], num_layers: int, num_neurons: int, site: str = LM_GATE, dead: Sequence[int] = ()
    ) -> None:
        self.groups, self.site, self.dead = tuple(groups), site, tuple(dead)
        self.shape = (num_layers, num_neurons)
        self.num_samples = np.zeros(len(groups), dtype=np.int64)
        self.num_tokens = np.zeros(len(groups), dtype=np.int64)
        self.totals: list[LayerSums] = [{} for _ in range(num_layers)]

    def check(self, layers: Mapping[int, LayerSums]) -> None:
        """Refuse a batch that cannot be added.

        Raises:
            UserError: a sum is NaN or infinite; a count made of such activations would look like any other.
        """
        assert len(layers) == len(self.totals), "a layer had no activations"
        for layer, sums in layers.items():
            refuse_infinite(layer, sums)

    def add_batch(self, prompts: Prompts, layers: Mapping[int, LayerSums]) -> None:
        """Add a batch that was checked. It takes no memory, so that it cannot fail half-way.

        Args:
            prompts: the batch.
            layers: the sums of every layer; those of the first batch become the totals.
        """
        for layer, sums in layers.items():
            total = self.totals[layer]
            for name, values in sums.items():
                total[name] = total[name].add_(values) if name in total else values
        self.num_samples += prompts.num_samples
        self.num_tokens += prompts.num_tokens

    def spread(self, values: np.ndarray) -> np.ndarray:
        """A column from values that some axes of (group, layer, neuron) do not change."""
        return np.broadcast_to(values, (len(self.groups), *self.shape)).ravel()

    def columns(self) -> dict[str, Any]:
        """The columns of a table, optional ones only where they were recorded."""
        columns = neuron_columns(self.groups, *self.shape, self.site)
        columns |= {"num_samples": self.spread(self.num_samples[:, None, None])}
        columns |= {"num_tokens": self.spread(self.num_tokens[:, None, None])}
        for name in self.totals[0]:
            if self.totals[0][name].ndim == 3:
                columns[name] = list_column(self.by_layer(name))
            elif name == "positive_count":
                columns[name] = self.by_layer(name).round().astype(np.int64).ravel()
            elif name != "num_constant":
                columns[name] = self.by_layer(name).ravel()
        return columns

    def by_layer(self, name: str) -> np.ndarray:
        """The sums of one name (group, layer, neuron), with an axis of items where they are lists."""
        values = torch.stack([sums[name].cpu() for sums in self.totals], dim=1).numpy()
        values[:, list(self.dead)] = 0
        return values

    def facts(self) -> dict[str, object]:
        """None beside the columns."""
        return {}
