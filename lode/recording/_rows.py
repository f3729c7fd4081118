"""What the activations of a site without attention are, group by group: of a tower, a projector, a Q-Former.

Its rows are patches, frames or queries, in an order of the model's own, so that samples go one a batch: all rows are
of the one sample, and count as tokens of its medium. Rows of padding (`lode/model/masks.py`) are of no part. Rows of a
layer pass by once and are summed up by part; groups are made of the sums of their parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.importance import METRICS, NORMALISATIONS, score_sums
from lode.importance.normalisation import normalise
from lode.model.sample import kinds_of
from lode.model.sites import Site
from lode.model.tokens import PADDING, TOKEN_KINDS
from lode.recording import Draft, Prompts, Views
from lode.recording._histogram import count_by_bin
from lode.recording._quota import draw
from lode.recording._site import Kept, SiteTotals, sums_by_normalisation
from lode.recording._totals import LayerSums, home_of, refuse_infinite

#: The metrics that need no attention.
OWN_METRICS = METRICS[:3]
#: Rows that are looked at together on a CPU: their activations stay in the cache.
_BLOCK_BYTES = 2**20

#: Of some rows and each neuron: how many are above 0, the sum, the sum of magnitudes, the largest.
Moments = Float[Tensor, "4 neuron"]


@dataclass(frozen=True)
class Parts:
    """Which rows of a sample are of which part.

    Attributes:
        rows: of each part that occurs its rows; None where that is all there are.
        counts: of each part that occurs.
        unions: by the parts that occur in them, the places of groups on the group axis.
        num_held: rows of each group, those that were not drawn as well (group).
        num_all: rows of the sample, those of padding as well.
    """

    rows: dict[int, Int[Tensor, " row"] | None]
    counts: dict[int, int]
    unions: dict[tuple[int, ...], list[int]]
    num_held: Int[np.ndarray, " group"]
    num_all: int


@dataclass
class Passing:
    """What is known of a sample while it passes.

    Attributes:
        prompts: the batch of one sample.
        parts: of its rows, known with the first layer.
        sums: of layers that have passed, by the parts of a union.
    """

    prompts: Prompts
    parts: Parts | None = None
    sums: dict[int, dict[tuple[int, ...], LayerSums]] = field(default_factory=dict)


class Rows(SiteTotals):
    """The running sums of one site.

    Attributes:
        of: the site.
    """

    def __init__(self, site: Site, grouping: Grouping, kept: Kept) -> None:
        super().__init__(site, grouping, kept)
        self.of = site
        names = [f"{metric}_score_sum" for metric in OWN_METRICS]
        names += [f"{name}_{power}" for name in ("mean", "abs_mean", "max") for power in ("sum", "sumsq")]
        names += ["positive_count", *(["hidden_abs_sum"] if kept.hidden_site else [])]
        shape = (len(self.groups), self.shape[1])
        for module, sums in zip(site.reader, self.totals, strict=True):
            home = home_of(module.weight.device)
            sums |= {name: torch.zeros(shape, dtype=torch.double, device=home) for name in names}
            sums["num_constant"] = torch.zeros((), dtype=torch.long, device=home)
            if kept.all_normalisations:
                lists = (*shape, len(NORMALISATIONS))
                sums |= {score_sums(m): torch.zeros(lists, dtype=torch.double, device=home) for m in OWN_METRICS}
            if kept.num_bins:
                sums["histogram"] = torch.zeros((*shape, kept.num_bins), dtype=torch.int32, device=home)

    def begin(self, prompts: Prompts) -> Draft:
        """Sums of every layer as it passes by; a sample without a medium of the site adds nothing."""
        name = self.of.name
        if len(prompts.samples) > 1:
            raise UserError(
                f"{len(prompts.samples)} samples in a batch, and which rows of site {name} are whose is not known; "
                "expected one. Set capture.batch_size=1"
            )
        passing = Passing(prompts)
        if self.medium(prompts) is None:
            return Draft(partial(self.add, passing))
        hidden = {name: partial(self.see_hidden, passing)} if self.kept.hidden_site else {}
        views = Views(activations={name: partial(self.see, passing)}, hidden=hidden)
        return Draft(partial(self.add, passing), views, partial(self.finish, passing))

    def medium(self, prompts: Prompts) -> str | None:
        """The medium of the sample that passes through the site; None: there is none.

        Raises:
            UserError: there are several, whose rows nothing tells apart.
        """
        (sample,) = prompts.samples
        kinds = sorted(kinds_of(sample) & set(self.of.media))
        if len(kinds) > 1:
            raise UserError(
                f"sample {sample['sample_id']}: holds {' and '.join(kinds)}, and which rows of site {self.of.name} are "
                "of which is not known; expected one kind of medium. Leave the site out of capture.sites, or the "
                "sample out of the dataset"
            )
        return kinds[0] if kinds else None

    def see(self, passing: Passing, layer: int, activations: Float[Tensor, "*rows neuron"]) -> None:
        """Sum up a layer."""
        if layer in self.dead:
            return
        rows = activations.flatten(0, -2)
        parts = self.parts_of(passing, len(rows))
        if layer in passing.sums or parts.num_all != len(rows):
            raise UserError(
                f"model.sites.{self.of.name}: layer {layer} gives {len(rows)} rows, after {parts.num_all} in a layer "
                "before it; expected every layer to be called once, with as many rows. Take the site out of the YAML"
            )
        moments = {part: moments_of(chosen(rows, of)) for part, of in parts.rows.items()}
        passing.sums[layer] = {
            union: self.union_sums(union_of(moments, union), sum(parts.counts[part] for part in union))
            for union in parts.unions
        }

    def see_hidden(self, passing: Passing, layer: int, hidden: Float[Tensor, "*rows neuron"]) -> None:
        """Sum up what the reader of a layer reads."""
        if layer in self.dead:
            return
        rows = hidden.flatten(0, -2)
        parts = self.parts_of(passing, len(rows))
        sizes = {part: chosen(rows, of).float().abs().sum(0) for part, of in parts.rows.items()}
        for union, sums in passing.sums[layer].items():
            total = torch.stack([sizes[part] for part in union]).sum(0) / sum(parts.counts[part] for part in union)
            sums["hidden_abs_sum"] = total.to(home_of(total.device)).double()

    def parts_of(self, passing: Passing, num_rows: int) -> Parts:
        """Which rows are of which part, found with the first layer of the sample."""
        if passing.parts is None:
            codes = self.codes_of(passing.prompts, num_rows)
            drawn = draw(codes, passing.prompts.samples, self.kept.quota)
            passing.parts = find_parts(drawn[0], codes[0], self.grouping)
        return passing.parts

    def codes_of(self, prompts: Prompts, num_rows: int) -> Int[Tensor, "1 row"]:
        """The code of every row: that of a token of the sample's medium, -1 for padding."""
        if self.of.has_tokens:
            return prompts.codes.cpu()
        medium = self.medium(prompts) or ""
        real = self.of.real_rows(prompts.batch.inputs, medium, num_rows)
        kinds = torch.full((1, num_rows), TOKEN_KINDS.index(medium)).masked_fill(~real, PADDING)
        return self.grouping.codes_of(kinds, prompts.samples)

    def union_sums(self, moments: Moments, count: int) -> LayerSums:
        """What the rows of one sample that are of a union of parts add to the statistics of a layer."""
        positive, raw, size = moments[0], moments[[0, 1, 3]], moments[2] / count
        raw = torch.cat([raw[:2] / count, raw[2:]])[:, None, None]
        normalised, constant = normalise(raw, self.kept.normalisation)
        home = home_of(moments.device)
        values = {"mean": raw[1, 0, 0], "max": raw[2, 0, 0], "abs_mean": size}
        sums = {"num_constant": constant.sum().to(home), "positive_count": positive.to(home).double()}
        for name, value in values.items():
            sums[f"{name}_sum"] = value.to(home).double()
            sums[f"{name}_sumsq"] = sums[f"{name}_sum"].square()
        for name, value in zip(OWN_METRICS, normalised[:, 0, 0].to(home).double(), strict=True):
            sums[f"{name}_score_sum"] = value
        if self.kept.all_normalisations:
            every = sums_by_normalisation(OWN_METRICS, raw)
            sums |= {name: value[0].to(home) for name, value in every.items()}
        if self.kept.num_bins:
            present = torch.ones((1, 1), dtype=torch.bool, device=raw.device)
            sums["histogram"] = count_by_bin(raw[1], present, self.kept.num_bins)[0].to(home)
        return sums

    def finish(self, passing: Passing) -> None:
        """Refuse a sample of which a layer is missing, or not finite."""
        missing = set(range(self.shape[0])) - set(self.dead) - set(passing.sums)
        if missing:
            raise UserError(
                f"sample {passing.prompts.samples[0]['sample_id']}: layers {', '.join(map(str, sorted(missing)))} of "
                f"site {self.of.name} were not reached, and the sample holds its medium; expected all. Take the site "
                "out of the model's YAML"
            )
        for layer, unions in passing.sums.items():
            for sums in unions.values():
                refuse_infinite(layer, sums)

    def add(self, passing: Passing) -> None:
        """Add a sample that was checked. It takes no memory, so that it cannot fail half-way."""
        for layer, unions in passing.sums.items():
            total = self.totals[layer]
            for union, sums in unions.items():
                for place in passing.parts.unions[union] if passing.parts else ():
                    for name, values in sums.items():
                        (total[name] if name == "num_constant" else total[name][place]).add_(values)
        if passing.parts:
            self.num_held += passing.parts.num_held
            for union, places in passing.parts.unions.items():
                self.num_samples[places] += 1
                self.num_tokens[places] += sum(passing.parts.counts[part] for part in union)


def find_parts(drawn: Int[Tensor, " row"], codes: Int[Tensor, " row"], grouping: Grouping) -> Parts:
    """Which rows are of which part, and which parts make up which groups.

    Args:
        drawn: the codes of the rows that are counted, -1 for others.
        codes: of all rows, -1 for padding.
        grouping: what rows are told apart.
    """
    found, numbers = codes.unique(return_counts=True)
    held = dict(zip(found.tolist(), numbers.tolist(), strict=True))
    present = [part for part in drawn.unique().tolist() if part >= 0]
    rows = {part: (drawn == part).nonzero()[:, 0] for part in present}
    counts = {part: len(of) for part, of in rows.items()}
    places = [grouping.places(name) for name in grouping.names]
    unions: dict[tuple[int, ...], list[int]] = {}
    for at, of in enumerate(places):
        if union := tuple(part for part in of if part in rows):
            unions.setdefault(union, []).append(at)
    num_held = np.array([sum(held.get(part, 0) for part in of) for of in places])
    everything = {part: None if len(of) == len(codes) else of for part, of in rows.items()}
    return Parts(everything, counts, unions, num_held, len(codes))


def chosen(rows: Float[Tensor, "row neuron"], of: Int[Tensor, " some"] | None) -> Float[Tensor, "some neuron"]:
    """Some rows, or all."""
    return rows if of is None else rows[of.to(rows.device)]


def moments_of(rows: Float[Tensor, "row neuron"]) -> Moments:
    """Of every neuron how many rows are above 0, the sum, the sum of magnitudes, the largest; in single precision.

    A block of rows at a time, and into one buffer: fresh memory would cost more than all arithmetic here.
    """
    num_rows, num_neurons = rows.shape
    step = num_rows if rows.is_cuda else max(1, _BLOCK_BYTES // (4 * num_neurons))
    moments = torch.zeros((4, num_neurons), dtype=torch.float32, device=rows.device)
    moments[3] = -torch.inf
    ones, buffer = moments.new_ones(1, min(step, num_rows)), moments.new_empty(min(step, num_rows), num_neurons)
    for start in range(0, num_rows, step):
        block = rows[start : start + step].float()
        one, kept = ones[:, : len(block)], buffer[: len(block)]
        moments[0:1].addmm_(one, torch.gt(block, 0, out=kept))
        moments[1:2].addmm_(one, block)
        moments[2:3].addmm_(one, torch.abs(block, out=kept))
        torch.maximum(moments[3], block.amax(0), out=moments[3])
    return moments


def union_of(moments: dict[int, Moments], union: Sequence[int]) -> Moments:
    """The moments of several parts together."""
    if len(union) == 1:
        return moments[union[0]]
    together = torch.stack([moments[part] for part in union])
    return torch.cat([together[:, :3].sum(0), together[:, 3:].amax(0)])
