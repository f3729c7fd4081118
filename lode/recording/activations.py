"""What the activations of neurons are, by site and group: the statistics that all selections but causal ones need.

Sees the attention and the gate site of every layer, and with `hidden_site` what its reader reads, in the pass that all
share; of `sites` also those of towers, projectors and Q-Formers, whose rows count as tokens of the sample's medium.
Keeps by site, group, layer and neuron sums over samples: of counts, of five metrics (of three where there is no
attention) and of their squares, raw and normalised (docs/methods.md 1.1, 1.2, 1.8, 1.9); with `num_bins` histograms.
Costs a tenth of the time of its forward pass at the sizes of a 2B model (docs/performance.md), and the memory of the
sums twice. Layers that are dead are given as 0.

What it does not tell: which tokens of a sample, or which samples, a neuron was active on; sums forget that.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from lode.config import CaptureSection
from lode.engine.errors import UserError
from lode.engine.tables import with_nulls
from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.sites import Site
from lode.neurons import LM_GATE
from lode.recording import Draft, Prompts, Views, record
from lode.recording._gate import Gate
from lode.recording._quota import quota_of
from lode.recording._rows import Rows
from lode.recording._site import Kept
from lode.table.statistics import STATISTICS

TABLE = STATISTICS


def recording(
    adapter: Adapter,
    grouping: Grouping,
    attention: str = "reference",
    normalisation: str = "minmax",
    num_bins: int = 0,
    hidden_site: bool = False,
    all_normalisations: bool = False,
    sites: Sequence[str] | None = (LM_GATE,),
    quota: int | None = None,
) -> "Activations":
    """An empty recording.

    Args:
        adapter: the model.
        grouping: what tokens are told apart.
        attention: how it weighs tokens, `reference` or `causal`.
        normalisation: over the neurons of one sample, group and layer.
        num_bins: of histograms, even; 0: none.
        hidden_site: whether to keep sums of what readers read.
        all_normalisations: whether to keep scores under every normalisation beside those under the one.
        sites: those to record, of which a model may lack some; None: all that it has.
        quota: tokens that are taken of one sample, at most; None: all.

    Raises:
        UserError: the model has none of the sites, or one has layers of several widths.
    """
    kept = Kept(attention, normalisation, num_bins, hidden_site, all_normalisations, quota)
    return Activations({site.name: totals_of(site, grouping, kept) for site in recorded_sites(adapter, sites)})


def recorded_sites(adapter: Adapter, names: Sequence[str] | None) -> list[Site]:
    """The sites of a model that are asked for, in the model's order.

    Raises:
        UserError: it has none of them.
    """
    found = [site for name, site in adapter.sites.items() if names is None or name in names]
    if not found:
        raise UserError(
            f"capture.sites: model {adapter.config.name} has none of {', '.join(names or ()) or '(none)'}; expected "
            f"one of {', '.join(adapter.sites)}, or null for all"
        )
    return found


def totals_of(site: Site, grouping: Grouping, kept: Kept) -> Gate | Rows:
    """The empty sums of a site; attention is that of the language model, so the gate alone is weighed by it."""
    return (Gate if site.name == LM_GATE else Rows)(site, grouping, kept)


class Activations:
    """The running sums of all sites.

    Attributes:
        sites: those of each, by its name.
    """

    def __init__(self, sites: Mapping[str, Gate | Rows]) -> None:
        self.sites = dict(sites)

    def most_samples(self, batch_size: int) -> int:
        """How many samples may go in a batch: one where rows do not say whose they are."""
        return 1 if any(isinstance(totals, Rows) for totals in self.sites.values()) else batch_size

    def begin(self, prompts: Prompts) -> Draft:
        """What every site does with a batch."""
        drafts = [totals.begin(prompts) for totals in self.sites.values()]
        shown = [draft.views for draft in drafts if draft.views is not None]
        views = Views(
            next((each.attention for each in shown if each.attention is not None), None),
            {name: watch for each in shown for name, watch in each.activations.items()},
            {name: watch for each in shown for name, watch in each.hidden.items()},
        )
        adds, checks = [draft.add for draft in drafts], [draft.finish for draft in drafts if draft.finish is not None]
        return Draft(partial(run_all, adds), views if shown else None, partial(run_all, checks))

    def columns(self) -> dict[str, Any]:
        """The columns of the `statistics` table, site after site; null what a site, or this capture, does not have."""
        columns = [totals.columns() for totals in self.sites.values()]
        if len(columns) == 1:
            return columns[0]
        tables = [pa.table(with_nulls(of_site, STATISTICS), schema=STATISTICS.schema) for of_site in columns]
        table = pa.concat_tables(tables)
        return {name: table[name] for name in table.column_names}

    def facts(self) -> dict[str, object]:
        """How often normalisation had nothing to tell neurons by; with a quota, what was drawn and is wanting."""
        facts: dict[str, object] = {"num_constant": sum(totals.num_constant for totals in self.sites.values())}
        quota = next(iter(self.sites.values())).kept.quota
        if quota is not None:
            facts["quota"] = quota
            facts["drawn"] = {name: totals.drawn() for name, totals in self.sites.items()}
            facts["num_missing"] = {name: totals.num_missing for name, totals in self.sites.items()}
        return facts


def run_all(functions: Sequence[Any]) -> None:
    """Call functions, in order."""
    for function in functions:
        function()


def capture(
    adapter: Adapter,
    samples: Sequence[Mapping[str, Any]],
    grouping: Grouping,
    options: CaptureSection,
    num_mined: int,
    title: str = "",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Record the samples of a shard as the config says.

    Args:
        adapter: the model.
        samples: rows of a dataset table.
        grouping: what tokens are told apart.
        options: the `capture` section.
        num_mined: samples of the dataset that are mined, in all shards.
        title: what the progress bar says.

    Returns:
        The columns of the `statistics` table, and what is to be recorded of its making.

    Raises:
        UserError: as of `recording` and `record`.
    """
    kept = recording(
        adapter,
        grouping,
        options.attention,
        options.normalisation,
        options.num_bins,
        options.hidden_site,
        options.all_normalisations,
        options.sites,
        quota_of(options.token_budget, num_mined),
    )
    batch_size = record(adapter, samples, kept.most_samples(options.batch_size), [kept], grouping, title=title)
    dead = {site.name: list(site.dead) for site in adapter.sites.values() if site.dead}
    facts = {"dead_layers": dead, "num_samples": len(samples), **kept.facts(), "batch_size": batch_size}
    return kept.columns(), facts
