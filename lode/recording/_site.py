"""What the sums of every site have in common: what is kept, and the weights that its neurons write by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from lode.engine.errors import UserError
from lode.grouping import PROMPT, Grouping
from lode.importance import NORMALISATIONS, score_sums
from lode.importance.normalisation import normalise
from lode.model.sites import Site
from lode.recording._totals import LayerSums, Totals


@dataclass(frozen=True)
class Kept:
    """What is kept, and of what.

    Attributes:
        attention, normalisation, num_bins, hidden_site, all_normalisations: those of the `capture` section.
        quota: tokens that are taken of one sample, at most; None: all.
    """

    attention: str = "reference"
    normalisation: str = "minmax"
    num_bins: int = 0
    hidden_site: bool = False
    all_normalisations: bool = False
    quota: int | None = None


class SiteTotals(Totals):
    """The running sums of one site.

    Attributes:
        down_norm: norms of the columns of the readers, a fact of the weights (layer, neuron).
        grouping: what tokens are told apart.
        kept: what is kept.
        num_held: tokens of each group, those that were not drawn as well (group).
    """

    def __init__(self, site: Site, grouping: Grouping, kept: Kept) -> None:
        self.down_norm = column_norms(site)
        num_layers, num_neurons = self.down_norm.shape
        super().__init__(grouping.names, num_layers, num_neurons, site.name, site.dead)
        self.grouping, self.kept = grouping, kept
        self.num_held = np.zeros_like(self.num_tokens)

    @property
    def num_constant(self) -> int:
        """Cases of (sample, group, layer, metric) without spread over the neurons."""
        return sum(int(sums["num_constant"]) for sums in self.totals if sums)

    def columns(self) -> dict[str, Any]:
        """The columns of the `statistics` table, histogram and hidden site only where they were recorded."""
        return super().columns() | {"down_norm": self.spread(self.down_norm)}

    def drawn(self) -> dict[str, dict[str, int]]:
        """By group that occurs: the samples and tokens behind its sums, and how many tokens there were."""
        counts = zip(self.groups, self.num_samples, self.num_tokens, self.num_held, strict=True)
        return {
            group: {"num_samples": int(samples), "num_tokens": int(tokens), "num_held": int(held)}
            for group, samples, tokens, held in counts
            if held
        }

    @property
    def num_missing(self) -> int:
        """By how many tokens the samples that reached the site stay below the quota; 0 where there is none."""
        whole, quota = self.groups.index(PROMPT), self.kept.quota
        return 0 if quota is None else int(quota * self.num_samples[whole] - self.num_tokens[whole])


def sums_by_normalisation(metrics: Sequence[str], raw: Float[Tensor, "metric batch group neuron"]) -> LayerSums:
    """The sums over samples of every metric under every normalisation, which is the last axis, in their order."""
    each = [normalise(raw, kind)[0].double().sum(1) for kind in NORMALISATIONS]
    return {score_sums(name): values for name, values in zip(metrics, torch.stack(each, -1), strict=True)}


def column_norms(site: Site) -> Float64[np.ndarray, "layer neuron"]:
    """How much each neuron writes for a unit of its activation: the norms of the columns of its reader.

    Raises:
        UserError: layers of several widths, which one table cannot hold.
    """
    if len(set(site.widths)) > 1:
        raise UserError(
            f"capture.sites: site {site.name} has layers of {', '.join(map(str, sorted(set(site.widths))))} neurons; "
            "expected one width. Leave the site out, or divide it in the model's YAML into sites of one width each"
        )
    norms = (module.weight.detach().float().norm(dim=0) for module in site.reader)
    return np.stack([of_layer.double().cpu().numpy() for of_layer in norms])
