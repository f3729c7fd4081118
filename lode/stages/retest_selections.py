"""Stage 4d: would other samples have given the same sets? A selection again on some of the shards.

The first shards are nested sub-samples, the even and the odd ones two halves (`lode/statistics/stability.py`); nothing
is captured twice. Two things are asked: how the sets from fewer samples overlap with those from all, and how alike two
halves rank all neurons. Both are about samples of the same datasets; neither tells whether a set is right.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa

from lode.config import SelectionSection, StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import with_nulls, write_table
from lode.importance.aggregation import importance_columns, shards_of
from lode.importance.pooling import gradient_columns
from lode.selection import Scores, Set, taking_part
from lode.statistics.stability import chance_jaccard, halves, jaccard, split_half
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
    rows = table.select(["modality", "num_samples"])
    return int(rows["num_samples"][rows["modality"].to_pylist().index("prompt")].as_py())


def retest(shards: Shards, plugin: Any, selection: SelectionSection, seed: int) -> list[Row]:
    """Rows of the retests table.

    Args:
        shards: of all mining datasets of one model.
        plugin: a selection plug-in.
        selection: the `selection` section.
        seed: of a random selection, which every part makes anew.

    Raises:
        UserError: there is one shard only, or a part of the shards lacks a modality that all of them hold.
    """
    count = min(map(len, shards["statistics"].values()))
    if count < 2:
        raise UserError("capture.shards = 1: there is no part to select again from; set capture.shards=10, say")
    whole = part_of(shards, range(count))
    modalities = taking_part(whole, selection.modality_split, selection.modalities)
    num_total = whole.num_rows // len(whole["modality"].unique())

    def chosen(which: Sequence[int], table: pa.Table) -> dict[str, Set]:
        own = int(np.random.SeedSequence([seed, *which]).generate_state(1)[0])  # a random choice knows no other part
        return plugin.select_neurons(table, modalities, selection.ratio, own, **selection.options)

    def scored(table: pa.Table) -> Scores:
        return plugin.score_neurons(table, modalities, **selection.options)

    def compared(part: str, these: Sequence[int], those: Sequence[int]) -> list[Row]:
        one, other = part_of(shards, these), part_of(shards, those)
        sets, others = chosen(these, one), chosen(those, other)
        alike = dict(zip(modalities, split_half(scored(one), scored(other)), strict=True))
        return [
            {
                "set_name": name,
                "part": part,
                "num_samples": num_samples(one),
                "num_neurons": len(sets[name][0]),
                "jaccard": jaccard(sets[name][0], others[name][0]),
                "chance_jaccard": chance_jaccard(len(sets[name][0]), len(others[name][0]), num_total),
                "rank_correlation": alike[name].correlation,
                "reliability": alike[name].corrected if part == "half" else None,
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
    write_table(cfg.io["retests"], RETESTS, retest(shards, plugin, cfg.selection, cfg.seed), made_by)
