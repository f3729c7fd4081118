"""Stage 4d: would other samples have given the same sets? A selection again on some of the shards.

The first shards are nested sub-samples, the even and the odd ones two halves (`lode/statistics/stability.py`); nothing
is captured twice. Every site is taken alone. Two things are asked: how the sets from fewer samples overlap with those
from all, and how alike two halves rank all neurons. Both are about samples of the same datasets; neither tells whether
a set is right.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa

from lode.config import SelectionSection, StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import with_nulls, write_table
from lode.grouping import PROMPT, Grouping, grouping_of
from lode.importance.aggregation import importance_columns, shards_of
from lode.importance.dead_layers import Dead, dead_layers_of
from lode.importance.pooling import gradient_columns
from lode.selection import Scores, Set
from lode.selection._sites import Living, seed_at, sites_of
from lode.statistics.stability import chance_jaccard, halves, jaccard, split_half
from lode.table._dense import of_site
from lode.table._reading import with_gradients
from lode.table.attributions import ATTRIBUTIONS
from lode.table.gradients import GRADIENTS
from lode.table.importance import IMPORTANCE
from lode.table.retests import RETESTS
from lode.table.statistics import STATISTICS

Row = dict[str, Any]
#: What shards may be, by name.
READ = {table.name: table for table in (STATISTICS, GRADIENTS)}
#: By kind of table and by dataset, the shards in order.
Shards = Mapping[str, Mapping[str, Sequence[pa.Table]]]


def part_of(shards: Shards, which: Sequence[int]) -> pa.Table:
    """The importance table of some of the shards, beside the gradients where there are any."""
    some = {
        kind: {name: [tables[index] for index in which] for name, tables in by_dataset.items()}
        for kind, by_dataset in shards.items()
    }
    table = pa.table(with_nulls(importance_columns(some["statistics"]), IMPORTANCE), schema=IMPORTANCE.schema)
    if "gradients" not in some:
        return table
    further = gradient_columns([shard for tables in some["gradients"].values() for shard in tables])
    return with_gradients(table, pa.table(with_nulls(further, ATTRIBUTIONS), schema=ATTRIBUTIONS.schema))


def num_samples(table: pa.Table) -> int:
    """How many samples a table is of: every one has a prompt."""
    return int(table["num_samples"][table["group"].to_pylist().index(PROMPT)].as_py())


def at_site(shards: Shards, site: str) -> Shards:
    """Of every shard the rows of one site."""
    return {
        kind: {name: [of_site(table, site) for table in tables] for name, tables in by_dataset.items()}
        for kind, by_dataset in shards.items()
    }


def retest(
    shards: Shards, grouping: Grouping, plugin: Any, selection: SelectionSection, seed: int, dead: Dead
) -> list[Row]:
    """Rows of the retests table, site after site.

    Args:
        shards: of all mining datasets of one model.
        grouping: what is compared.
        plugin: a selection plug-in.
        selection: the `selection` section.
        seed: of a random selection, which every part makes anew.
        dead: layers that cannot matter.

    Raises:
        UserError: there is one shard only, or a part of the shards lacks a group that all of them hold.
    """
    count = min(map(len, shards["statistics"].values()))
    if count < 2:
        raise UserError("capture.shards = 1, capture.blocks = 1: no part to select again from; set capture.blocks=10")
    held = next(iter(shards["statistics"].values()))[0]["site"].unique().to_pylist()
    by_site = {site: at_site(shards, site) for site in (held if selection.sites is None else selection.sites)}
    whole = pa.concat_tables([part_of(of, range(count)) for of in by_site.values()])
    parts = sites_of(whole, selection, grouping, dead)
    return [
        {"site": part.site, **row}
        for part in parts
        for row in retest_site(by_site[part.site], count, part, plugin, selection, seed_at(seed, part.site))
    ]


def retest_site(
    shards: Shards, count: int, part: Living, plugin: Any, selection: SelectionSection, seed: int
) -> list[Row]:
    """Rows of one site; `count` is how many shards there are, other arguments are those of `retest`."""
    num_total = part.table.num_rows // len(part.table["group"].unique())
    groups = part.groups

    def chosen(which: Sequence[int], table: pa.Table) -> dict[str, Set]:
        own = int(np.random.SeedSequence([seed, *which]).generate_state(1)[0])  # a random choice knows no other part
        return plugin.select_neurons(table, groups, selection.ratio, own, **selection.options)

    def scored(table: pa.Table) -> Scores:
        return plugin.score_neurons(table, groups, **selection.options)

    def compared(name_of_part: str, these: Sequence[int], those: Sequence[int]) -> list[Row]:
        one, other = (part.part_of(part_of(shards, which)) for which in (these, those))
        sets, others = chosen(these, one), chosen(those, other)
        alike = dict(zip(groups, split_half(scored(one), scored(other)), strict=True))
        return [
            {
                "set_name": name,
                "part": name_of_part,
                "num_samples": num_samples(one),
                "num_neurons": len(sets[name][0]),
                "jaccard": jaccard(sets[name][0], others[name][0]),
                "chance_jaccard": chance_jaccard(len(sets[name][0]), len(others[name][0]), num_total),
                "rank_correlation": alike[name].correlation,
                "reliability": alike[name].corrected if name_of_part == "half" else None,
            }
            for name in sets
        ]

    rows = [row for size in range(1, count + 1) for row in compared("first", range(size), range(count))]
    return rows + compared("half", *halves(count))


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Read the shards of one model, those with gradients too where they are handed over; write the retests table."""
    kinds = [kind for kind in ("statistics", "gradients") if cfg.io[kind]]
    shards = {kind: shards_of(cfg.io[kind], READ[kind], cfg.mining_datasets) for kind in kinds}
    plugin = import_module(f"lode.selection.{cfg.selection.plugin}")
    dead = dead_layers_of(cfg.io["statistics"])
    rows = retest(shards, grouping_of(cfg.grouping), plugin, cfg.selection, cfg.seed, dead)
    write_table(cfg.io["retests"], RETESTS, rows, made_by)
