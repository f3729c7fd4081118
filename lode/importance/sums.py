"""What shards hold of one site as arrays, read once, and their sums: shards add up column by column.

docs/methods.md 1.3.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lode.engine.errors import UserError
from lode.importance import METRICS, score_sums
from lode.table._dense import dense_shape, shaped, shaped_lists, site_of
from lode.table._neuron import BLOCK, KEYS
from lode.table.statistics import STATISTICS

#: Facts of the weights: the same in every shard, so they are not added.
FIXED = ("down_norm",)
#: Columns that hold a list a neuron; all others one number.
LISTS = ("histogram", *(score_sums(metric) for metric in METRICS))
ADDED = [name for name in STATISTICS.schema.names if name not in {*FIXED, *(key.name for key in (BLOCK, *KEYS))}]


@dataclass(frozen=True)
class Sums:
    """What one shard, or some together, hold of one site.

    Attributes:
        site: its name.
        groups: names along the first axis.
        columns: by statistic an array (group, layer, neuron), of a list with its items as a fourth axis; what was not
            captured is left out. Views of a table, or new.
    """

    site: str
    groups: tuple[str, ...]
    columns: Mapping[str, np.ndarray]

    def num_samples(self, group: str) -> int:
        """How many samples hold a group."""
        return int(self.columns["num_samples"][self.groups.index(group), 0, 0])


def sums_of(table: pa.Table) -> Sums:
    """The statistics of a table of one site; views where its columns are in one piece.

    Raises:
        UserError: it is of several sites, or rows are missing, or in another order.
    """
    groups, shape = dense_shape(table)
    held = [name for name in (*ADDED, *FIXED) if table[name].null_count == 0]
    columns = {name: shaped(table, [name], shape)[0] for name in held if name not in LISTS}
    return Sums(
        site_of(table),
        groups,
        columns | {name: shaped_lists(table, name, shape) for name in held if name in LISTS},
    )


def added(parts: Sequence[Sums]) -> Sums:
    """The sum of shards of one site, column by column; what none of them captured is left out.

    Raises:
        UserError: the shards come from models of different sizes, or of captures that kept different things.
    """
    shapes = {(part.groups, part.columns["num_samples"].shape) for part in parts}
    if len(shapes) != 1:
        raise UserError(f"shards of one model differ in shape: {sorted(shapes)}; delete the activations and run again")
    for name in (*ADDED, *FIXED):
        held = {name in part.columns for part in parts}
        if len(held) > 1:
            raise UserError(f"some shards hold {name!r} and others do not; delete the activations and run again")
    first = parts[0]
    columns = {name: total(part.columns[name] for part in parts) for name in first.columns if name not in FIXED}
    return Sums(first.site, first.groups, columns | {name: first.columns[name] for name in FIXED})


def total(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The sum of arrays, one by one, as they are large.

    Raises:
        UserError: histograms differ in their numbers of bins.
    """
    whole: np.ndarray | None = None
    for part in parts:
        if whole is not None and whole.shape != part.shape:
            raise UserError(
                f"histograms of {whole.shape[-1]} and of {part.shape[-1]} bins; delete the activations and run again"
            )
        whole = part.copy() if whole is None else np.add(whole, part, out=whole)
    assert whole is not None, "no shard"
    return whole
