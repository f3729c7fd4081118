"""Histograms of a neuron's per-sample mean, with the same fixed edges for every neuron, so that shards merge by adding.

The edges are those of an asinh (symmetric logarithmic) scale: evenly spaced within about +-`LINEAR`, where half of
the activations of a gated layer lie, and growing by a constant factor from there to +-`LIMIT`. The first and the last
bin are open. An even number of bins puts one edge at 0, so that the sign is never mixed. With 512 bins a bin is
1.05 times as far from 0 as the one before it (with 64: 1.5); what two values in one bin differ by is lost. A neuron
takes 4 bytes a bin for each group: with 512 bins the 7 modalities of tiny_qwen2_vl take 44 MB, those of a 7B model (28
layers of 18,944) 7.6 GB, so that 64 or 128 are what it can afford. Source: docs/methods.md 1.9.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LINEAR, LIMIT = 1e-3, 1e2


def bin_edges(num_bins: int) -> np.ndarray:
    """The inner edges, rising, one fewer than bins; bin b holds edges[b - 1] <= value < edges[b].

    Args:
        num_bins: even, at least 4.
    """
    assert num_bins >= 4, "checked when the config is read"
    assert num_bins % 2 == 0, "checked when the config is read"
    half = np.linspace(0, np.arcsinh(LIMIT / LINEAR), num_bins // 2)[1:]
    positive = LINEAR * np.sinh(half)
    return np.concatenate([-positive[::-1], [0.0], positive])


def count_by_bin(
    values: Float[Tensor, "batch group neuron"], present: Bool[Tensor, "batch group"], num_bins: int
) -> Int[Tensor, "group neuron {num_bins}"]:
    """How many samples that hold the group have a value in each bin.

    Args:
        values: per-sample means.
        present: whether the sample holds the group.
        num_bins: as for `bin_edges`.
    """
    edges = torch.tensor(bin_edges(num_bins), dtype=values.dtype, device=values.device)
    bins = torch.bucketize(values, edges, right=True).permute(1, 2, 0)
    counts = torch.zeros((*bins.shape[:2], num_bins), dtype=torch.int32, device=values.device)
    return counts.scatter_add_(2, bins, present.mT[:, None, :].expand(bins.shape).int())
