"""Mergeable sums of what capture sees: everything downstream derives from them, and shards merge by adding.

Memory depends on (modality, layer, neuron) alone, never on the number of samples. Source: docs/methods.md 1.9.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from lode.engine.errors import UserError
from lode.importance.histogram import count_by_bin
from lode.importance.miner import TokenPlan, token_scores
from lode.importance.normalisation import normalise
from lode.shapes import METRICS, MODALITIES
from lode.table._dense import list_column, neuron_columns


@dataclass(frozen=True)
class Recording:
    """What is kept beside the sums that are always there; the fields are those of the `capture` section."""

    normalisation: str = "minmax"
    num_bins: int = 0
    hidden_site: bool = False


#: By the name of a column what one layer of a batch adds to it: (modality, neuron), a histogram with a bin axis too,
#: and `num_constant` a number.
LayerSums = dict[str, Tensor]


def layer_sums(
    activations: Float[Tensor, "batch token neuron"],
    weights: Float[Tensor, "batch 2 modality token"],
    members: Bool[Tensor, "batch modality token"],
    plan: TokenPlan,
    recording: Recording = Recording(),
) -> LayerSums:
    """What the gate site of one layer of a batch adds to the statistics.

    Args:
        activations: at the gate site.
        weights: of the two attention metrics.
        members: which tokens belong to which modality.
        plan: of `plan_tokens`.
        recording: the normalisation, and whether to keep histograms.
    """
    raw, size = token_scores(activations, weights, members, plan)
    normalised, constant = normalise(raw, recording.normalisation)
    num_constant = (constant & members.any(-1)).sum()
    home = home_of(raw.device)
    raw, normalised, size, members = (tensor.to(home) for tensor in (raw, normalised, size, members))
    moments = dict(zip(METRICS[1:], raw[1:], strict=True)) | {"abs_mean": size}
    sums = {"num_constant": num_constant.to(home)}
    sums["positive_count"] = (raw[0] * members.sum(-1)[..., None]).round().double().sum(0)
    for name, values in moments.items():
        sums[f"{name}_sum"] = values.double().sum(0)
        sums[f"{name}_sumsq"] = values.double().square().sum(0)
    for name, values in zip(METRICS, normalised, strict=True):
        sums[f"{name}_score_sum"] = values.double().sum(0)
    if recording.num_bins:
        sums["histogram"] = count_by_bin(raw[METRICS.index("mean")], members.any(-1), recording.num_bins)
    return sums


def home_of(device: torch.device) -> torch.device:
    """Where the sums of a layer are kept: beside the layer, or on the CPU for Metal, which has no double precision."""
    return torch.device("cpu") if device.type == "mps" else device


def hidden_sums(
    hidden: Float[Tensor, "batch token neuron"], members: Bool[Tensor, "batch modality token"]
) -> dict[str, Float64[Tensor, "modality neuron"]]:
    """What the hidden site (the input of down_proj) of one layer of a batch adds to the statistics."""
    return {"hidden_abs_sum": magnitude(hidden, members).to(home_of(hidden.device)).double().sum(0)}


def magnitude(
    activations: Float[Tensor, "batch token neuron"], members: Bool[Tensor, "batch modality token"]
) -> Float[Tensor, "batch modality neuron"]:
    """Mean over the tokens of each modality of |a|, 0 where there are none."""
    inside = members.to(activations.dtype)
    return (inside / inside.sum(-1, keepdim=True).clamp_min(1)) @ activations.abs()


def refuse_infinite(layer: int, sums: Mapping[str, Tensor]) -> None:
    """Refuse the sums of a layer unless all are finite: the model overflowed, or its weights are broken."""
    if not torch.stack([values.isfinite().all() for values in sums.values()]).all():
        names = ", ".join(name for name, values in sums.items() if not values.isfinite().all())
        raise UserError(
            f"layer {layer}: NaN or infinity in {names} of a batch: the model's activations are not finite. Use "
            "model.dtype=bfloat16 or float32 in place of float16, or look for NaN in its weights"
        )


class Totals:
    """Running sums per (modality, layer, neuron), in double precision.

    Attributes:
        shape: (layer, neuron).
        num_samples: samples that hold each modality (modality).
        num_tokens: tokens of each modality (modality).
        totals: of each layer the sums by the name of their column, on the layer's own device.
        batch_size: samples in a batch, after any halving; it changes no sum but by rounding.
    """

    def __init__(self, num_layers: int, num_neurons: int) -> None:
        self.shape = (num_layers, num_neurons)
        self.batch_size = 0
        self.num_samples = np.zeros(len(MODALITIES), dtype=np.int64)
        self.num_tokens = np.zeros(len(MODALITIES), dtype=np.int64)
        self.totals: list[LayerSums] = [{} for _ in range(num_layers)]

    def add_batch(
        self, members: Bool[Tensor, "batch modality token"], layers: Mapping[int, Mapping[str, Tensor]]
    ) -> None:
        """Add a batch at once, when all its layers are there, so that one that fails half-way adds nothing.

        Args:
            members: which tokens belong to which modality.
            layers: the sums of every layer.

        Raises:
            UserError: a sum is NaN or infinite; a count made of such activations would look like any other.
        """
        for layer, sums in layers.items():
            refuse_infinite(layer, sums)
        num_samples, num_tokens = members.any(-1).sum(0).cpu().numpy(), members.sum((0, 2)).cpu().numpy()
        assert len(layers) == len(self.totals), "a layer had no activations"
        for layer, sums in layers.items():
            total = self.totals[layer]
            for name, values in sums.items():
                total[name] = total[name].add_(values) if name in total else values.clone()
        self.num_samples += num_samples
        self.num_tokens += num_tokens

    def spread(self, values: np.ndarray) -> np.ndarray:
        """A column from values that some axes of (modality, layer, neuron) do not change."""
        return np.broadcast_to(values, (len(MODALITIES), *self.shape)).ravel()

    def columns(self) -> dict[str, Any]:
        """The columns of a table, optional ones only where they were recorded."""

        def stacked(name: str) -> np.ndarray:
            return torch.stack([sums[name].cpu() for sums in self.totals], dim=1).numpy()

        columns = neuron_columns(MODALITIES, *self.shape)
        columns |= {"num_samples": self.spread(self.num_samples[:, None, None])}
        columns |= {"num_tokens": self.spread(self.num_tokens[:, None, None])}
        for name in self.totals[0]:
            if name == "histogram":
                columns[name] = list_column(stacked(name))
            elif name == "positive_count":
                columns[name] = stacked(name).round().astype(np.int64).ravel()
            elif name != "num_constant":
                columns[name] = stacked(name).ravel()
        return columns


class Statistics(Totals):
    """The running sums of capture.

    Attributes:
        down_norm: norms of the columns of down_proj, a fact of the weights (layer, neuron).
    """

    def __init__(self, down_norm: Float64[np.ndarray, "layer neuron"]) -> None:
        super().__init__(*down_norm.shape)
        self.down_norm = down_norm

    @property
    def num_constant(self) -> int:
        """Cases of (sample, modality, layer, metric) without spread over the neurons."""
        return sum(int(sums["num_constant"]) for sums in self.totals if sums)

    def columns(self) -> dict[str, Any]:
        """The columns of the `statistics` table, histogram and hidden site only where they were recorded."""
        return super().columns() | {"down_norm": self.spread(self.down_norm)}
