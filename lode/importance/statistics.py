"""Mergeable sums of what capture sees: everything downstream derives from them, and shards merge by adding.

Memory depends on (modality, layer, neuron) alone, never on the number of samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from lode.artifacts import neuron_columns
from lode.importance.miner import minmax, token_scores
from lode.shapes import METRICS, MODALITIES


def layer_sums(
    activations: Float[Tensor, "batch token neuron"],
    weights: Float[Tensor, "batch 2 modality token"],
    members: Bool[Tensor, "batch modality token"],
) -> tuple[Float64[Tensor, "14 modality neuron"], Int[Tensor, ""]]:
    """What one layer of a batch adds to the statistics.

    Returns:
        Positive tokens; the sums over samples of mean, max, attn_k, attn_q; of their squares; of the five normalised
        importances. And in how many cases of (sample, modality, metric) all neurons were equal.
    """
    raw = token_scores(activations, weights, members)
    normalised, constant = minmax(raw)
    num_constant = (constant & members.any(-1)).sum()
    home = home_of(raw.device)
    raw, normalised = raw.to(home), normalised.to(home)
    positive = (raw[0] * members.sum(-1)[..., None].to(home)).round().double()
    moments = raw[1:].double()
    parts = [positive.sum(0, keepdim=True), moments.sum(1), moments.square().sum(1), normalised.double().sum(1)]
    return torch.cat(parts), num_constant


def home_of(device: torch.device) -> torch.device:
    """Where the sums of a layer are kept: beside the layer, or on the CPU for Metal, which has no double precision."""
    return torch.device("cpu") if device.type == "mps" else device


@dataclass
class Statistics:
    """Running sums per (modality, layer, neuron), in double precision.

    Attributes:
        num_neurons: neurons in each layer.
        devices: the device of each layer.
        num_samples: samples that hold each modality (modality).
        num_tokens: tokens of each modality (modality).
        num_constant: cases of (sample, modality, layer, metric) where all neurons were equal.
        totals: of each layer the sums in the order of `layer_sums` (14, modality, neuron), on its own device.
        batch_size: samples in a batch, after any halving; it changes no sum but by rounding.
    """

    num_neurons: int
    devices: Sequence[torch.device]
    batch_size: int = 0
    num_constant: int = 0
    num_samples: np.ndarray = field(init=False)
    num_tokens: np.ndarray = field(init=False)
    totals: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        shape = (14, len(MODALITIES), self.num_neurons)
        self.num_samples = np.zeros(len(MODALITIES), dtype=np.int64)
        self.num_tokens = np.zeros(len(MODALITIES), dtype=np.int64)
        self.totals = [torch.zeros(shape, dtype=torch.float64, device=home_of(device)) for device in self.devices]

    def add_batch(
        self, members: Bool[Tensor, "batch modality token"], layers: Mapping[int, tuple[Tensor, Tensor]]
    ) -> None:
        """Add a batch at once, when all its layers are there, so that one that fails half-way adds nothing.

        Args:
            members: which tokens belong to which modality.
            layers: the `layer_sums` of every layer.
        """
        num_samples, num_tokens = members.any(-1).sum(0).cpu().numpy(), members.sum((0, 2)).cpu().numpy()
        num_constant = sum(int(count) for _, count in layers.values())
        for layer, (sums, _) in layers.items():
            self.totals[layer] += sums
        self.num_samples += num_samples
        self.num_tokens += num_tokens
        self.num_constant += num_constant

    def columns(self) -> dict[str, Any]:
        """The columns of the `statistics` table."""
        num_layers = len(self.totals)
        shape = (len(MODALITIES), num_layers, self.num_neurons)

        def spread(counts: np.ndarray) -> np.ndarray:
            return np.broadcast_to(counts[:, None, None], shape).ravel()

        columns = neuron_columns(MODALITIES, num_layers, self.num_neurons)
        columns |= {"num_samples": spread(self.num_samples), "num_tokens": spread(self.num_tokens)}
        totals = np.stack([total.cpu().numpy() for total in self.totals], axis=2).reshape(14, -1)
        columns["positive_count"] = totals[0].round().astype(np.int64)
        for index, metric in enumerate(METRICS[1:]):
            columns[f"{metric}_sum"] = totals[1 + index]
            columns[f"{metric}_sumsq"] = totals[5 + index]
        for index, metric in enumerate(METRICS):
            columns[f"{metric}_score_sum"] = totals[9 + index]
        return columns
