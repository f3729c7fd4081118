"""Stage 4e: what a selection finds where groups do not differ: its sets under four nulls, and how they share neurons.

Each site is taken alone. The set of every group is chosen anew from the statistics of blank media and of one prompt for
all (where `nulls.kinds` asked for them), from labels permuted between blocks of samples, `nulls.num_draws` times, and
from two halves of the group as two groups; and compared with the real one (docs/methods.md 4.19). What a block is, why
permuting whole blocks is valid and what it costs says `lode/importance/relabelling.py`: with few shards, resolution.

What it does not tell: whether a neuron of a set matters to the group; only switching it off does.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lode.config import SelectionSection, StepConfig
from lode.engine.paths import paths_of
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.importance.aggregation import shards_of
from lode.importance.by_site import Shards, Tables, at_site, importance_of, num_shards, some
from lode.importance.dead_layers import dead_layers_of
from lode.importance.relabelling import as_two_groups, permuted
from lode.neurons import Pairs, unique_pairs
from lode.selection import Scores, are_comparable, need_contrast
from lode.selection._firing import read_firing
from lode.selection._shards import living_of, living_shards
from lode.selection._sites import Dead, Living, seed_at
from lode.statistics.domains import mean_effective_groups, num_as_good, ownership
from lode.statistics.stability import halves, jaccard
from lode.table._dense import site_of
from lode.table._null import NULL_NAME
from lode.table.domains import DOMAINS
from lode.table.null_statistics import NULL_STATISTICS
from lode.table.set_nulls import SET_NULLS
from lode.table.statistics import STATISTICS

Row = dict[str, Any]
#: What `bar` is a percentile of.
PERCENTILE = 95
REAL, PERMUTED, HALVES = "none", "permuted", "halves"


@dataclass(frozen=True)
class Choice:
    """What a selection makes of one table of one site.

    Attributes:
        null: by which the table was made, and which draw of it.
        draw: the latter.
        groups: that were compared.
        sets: the unique neurons of each.
        scores: by which they were chosen (group, layer, neuron).
        firing: P(a > 0) on each group (group, layer, neuron).
        comparable: whether a score means the same in another table.
    """

    null: str
    draw: int
    groups: tuple[str, ...]
    sets: Mapping[str, Pairs]
    scores: Scores
    firing: Scores
    comparable: bool


def choice(
    table: pa.Table, groups: Sequence[str], selection: SelectionSection, seed: int, null: str = REAL, draw: int = 0
) -> Choice:
    """The sets of a table; a random selection draws anew under every null.

    Args:
        table: an importance table of one site.
        groups: that take part; those without a sample under this null have an empty set.
        selection: the `selection` section.
        seed: of a random selection.
        null: by which the table was made.
        draw: which draw of it.
    """
    plugin = import_module(f"lode.selection.{selection.plugin}")
    own = seed if null == REAL else int(np.random.SeedSequence([seed, draw, *null.encode()]).generate_state(1)[0])
    sets = plugin.select_neurons(table, groups, selection.ratio, own, **selection.options)
    found = {name: unique_pairs(sets[name][0]) if name in sets else unique_pairs([]) for name in groups}
    scores = plugin.score_neurons(table, groups, **selection.options)
    comparable = are_comparable(plugin, selection.options)
    return Choice(null, draw, tuple(groups), found, scores, read_firing(table, groups), comparable)


def domain_rows(part: Living, found: Choice) -> Iterator[Row]:
    """Rows of the domains table."""
    bar = float(np.percentile(found.firing, PERCENTILE))
    for group, owned in ownership(found.sets, found.firing).items():
        for layer, count in enumerate(owned.owned.tolist()):
            yield {
                "site": part.site,
                "layer": int(part.layers[layer]),
                "group": group,
                "null": found.null,
                "draw": found.draw,
                "num_owned": count,
                "num_exclusive": int(owned.exclusive[layer]),
                "num_shared": owned.shared[layer].tolist(),
                "effective_groups_mean": float(owned.effective[layer]),
                "bar": bar,
                "expected": float(owned.owned.mean()),
            }


def null_row(site: str, real: Choice, group: str, found: Choice) -> Row:
    """What the null finds of a group, beside its real set; of halves, what both find together."""
    place, own = real.groups.index(group), real.sets[group]
    alike = found.groups == real.groups
    pairs = found.sets[group] if alike else unique_pairs(np.concatenate(list(found.sets.values())))
    good = itself = None
    if alike and real.comparable:
        good, itself = (num_as_good(own, real.scores[place], of.scores[place][None]) for of in (found, real))
    return {
        "site": site,
        "group": group,
        "null": found.null,
        "draw": found.draw,
        "num_groups": len(found.groups),
        "num_neurons": len(pairs),
        "num_real": len(own),
        "jaccard": jaccard(own, pairs),
        "num_as_good": good,
        "false_discovery": good / itself if good is not None and itself else None,
        "effective_groups": mean_effective_groups(pairs, found.firing),
    }


def choices(
    shards: Shards, nulls: Mapping[str, Shards], groups: Sequence[str], cfg: StepConfig
) -> Iterator[tuple[str | None, Choice]]:
    """The real sets, and then what every null finds, with the one group that it is about, or none.

    Args:
        shards: of one model at one site.
        nulls: by the name of a captured null its shards, of the same samples.
        groups: that take part, and occur.
        cfg: that of the step.
    """
    selection, whole = cfg.selection, importance_of(shards)
    seed = seed_at(cfg.seed, site_of(whole))
    yield None, choice(whole, groups, selection, seed)
    for name, of in nulls.items():
        yield None, choice(importance_of(of), groups, selection, seed, name)
    for draw in range(cfg.nulls.num_draws):
        table = importance_of(permuted(shards, groups, np.random.default_rng([seed, draw])))
        yield None, choice(table, groups, selection, seed, PERMUTED, draw)
    one, other = (importance_of(some(shards, which)) for which in halves(num_shards(shards)))
    names = groups[0], groups[1]
    for group in groups:
        if group in held(one) & held(other):
            two = as_two_groups(one, other, group, names)
            yield group, choice(two, names, selection, seed, HALVES)


def held(table: pa.Table) -> set[str]:
    """The groups that a table holds samples of."""
    some_samples = table["num_samples"].to_numpy() > 0
    return set(table["group"].filter(pa.array(some_samples)).unique().to_pylist())


def measure(shards: Tables, nulls: Mapping[str, Tables], cfg: StepConfig, dead: Dead) -> tuple[list[Row], list[Row]]:
    """Rows of the domains and of the set_nulls table.

    Args:
        shards: of all mining datasets of one model, of any number of sites.
        nulls: by name, those of the captured nulls.
        cfg: that of the step.
        dead: layers that cannot matter.

    Raises:
        UserError: there is one shard only; fewer than two groups; or as the selection.
    """
    num_shards(shards)
    domains: list[Row] = []
    set_nulls: list[Row] = []
    for part, here in living_shards(shards, cfg.selection, grouping_of(cfg.grouping), dead):
        need_contrast(part.groups)
        theirs = {name: living_of(part, at_site(of, part.site)) for name, of in nulls.items()}
        found = choices(here, theirs, part.groups, cfg)
        _, real = next(found)
        domains += domain_rows(part, real)
        set_nulls += [null_row(part.site, real, group, real) for group in part.groups]
        for about, other in found:
            if about is None:
                domains += domain_rows(part, other)
            some_groups = part.groups if about is None else [about]
            set_nulls += [null_row(part.site, real, group, other) for group in some_groups]
    return domains, set_nulls


def null_shards(paths: Sequence[str], datasets: Sequence[str]) -> dict[str, Tables]:
    """The shards of every captured null, by its name and by dataset."""
    of: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        of[NULL_STATISTICS.said_by(Path(path))[NULL_NAME.name]].append(path)
    return {name: shards_of(some_paths, NULL_STATISTICS, datasets) for name, some_paths in sorted(of.items())}


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Read the statistics of one model, and those of its captured nulls; write both tables."""
    shards = shards_of(cfg.io["statistics"], STATISTICS, cfg.mining_datasets)
    nulls = null_shards(paths_of(cfg.io["null_statistics"]), cfg.mining_datasets)
    domains, set_nulls = measure(shards, nulls, cfg, dead_layers_of(paths_of(cfg.io["statistics"])))
    write_table(cfg.io["domains"], DOMAINS, domains, made_by)
    write_table(cfg.io["set_nulls"], SET_NULLS, set_nulls, made_by)
