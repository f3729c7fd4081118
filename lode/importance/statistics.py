"""Mergeable sums of what capture sees: everything downstream derives from them, and shards merge by adding.

Memory depends on (modality, layer, neuron) alone, never on the number of samples.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lode.artifacts import neuron_columns
from lode.importance.miner import minmax, token_scores
from lode.shapes import METRICS, MODALITIES


@dataclass
class Statistics:
    """Running sums per (modality, layer, neuron), in double precision.

    Attributes:
        num_samples: samples that hold each modality (modality).
        num_tokens: tokens of each modality (modality).
        num_constant: cases of (sample, modality, layer, metric) where all neurons were equal.
        positive: tokens with an activation > 0 (modality, layer, neuron).
        sums: sums over samples of mean, max, attn_k, attn_q (4, modality, layer, neuron).
        squares: sums of their squares (4, modality, layer, neuron).
        scores: sums of the five normalised importances (5, modality, layer, neuron).
    """

    num_layers: int
    num_neurons: int
    device: torch.device
    num_constant: int = 0
    num_samples: np.ndarray = field(init=False)
    num_tokens: np.ndarray = field(init=False)
    positive: Tensor = field(init=False)
    sums: Tensor = field(init=False)
    squares: Tensor = field(init=False)
    scores: Tensor = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(MODALITIES), self.num_layers, self.num_neurons)
        self.num_samples = np.zeros(len(MODALITIES), dtype=np.int64)
        self.num_tokens = np.zeros(len(MODALITIES), dtype=np.int64)
        options: dict[str, Any] = {"dtype": torch.float64, "device": self.device}
        self.positive = torch.zeros(shape, **options)
        self.sums = torch.zeros((4, *shape), **options)
        self.squares = torch.zeros((4, *shape), **options)
        self.scores = torch.zeros((5, *shape), **options)

    def add_samples(self, members: Bool[Tensor, "batch modality token"]) -> None:
        """Count the samples and tokens of a batch, once for all layers."""
        self.num_samples += members.any(-1).sum(0).cpu().numpy()
        self.num_tokens += members.sum((0, 2)).cpu().numpy()

    def add_layer(
        self,
        layer: int,
        activations: Float[Tensor, "batch token neuron"],
        weights: Float[Tensor, "batch 2 modality token"],
        members: Bool[Tensor, "batch modality token"],
    ) -> None:
        """Add one layer of a batch."""
        raw = token_scores(activations, weights, members)
        normalised, constant = minmax(raw)
        self.num_constant += int((constant & members.any(-1)).sum())
        counts = members.sum(-1)[..., None]
        self.positive[:, layer] += (raw[0] * counts).round().sum(0)
        moments = raw[1:].double()
        self.sums[:, :, layer] += moments.sum(1)
        self.squares[:, :, layer] += moments.square().sum(1)
        self.scores[:, :, layer] += normalised.double().sum(1)

    def columns(self) -> dict[str, Any]:
        """The columns of the `statistics` table."""
        shape = (len(MODALITIES), self.num_layers, self.num_neurons)

        def spread(counts: np.ndarray) -> np.ndarray:
            return np.broadcast_to(counts[:, None, None], shape).ravel()

        columns = neuron_columns(MODALITIES, self.num_layers, self.num_neurons)
        columns |= {"num_samples": spread(self.num_samples), "num_tokens": spread(self.num_tokens)}
        columns["positive_count"] = self.positive.round().long().cpu().numpy().ravel()
        for index, metric in enumerate(METRICS[1:]):
            columns[f"{metric}_sum"] = self.sums[index].cpu().numpy().ravel()
            columns[f"{metric}_sumsq"] = self.squares[index].cpu().numpy().ravel()
        for index, metric in enumerate(METRICS):
            columns[f"{metric}_score_sum"] = self.scores[index].cpu().numpy().ravel()
        return columns
