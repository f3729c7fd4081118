"""Shards whose labels are dealt anew, and halves of one group as two: statistics as they would be under a null.

A block is what one part of a dataset's samples holds of one group, a shard or one of `capture.blocks` of it. Parts are
random (part i holds every so-manyth sample from i on, and samples lie in random order), so permuting the labels of
blocks is a permutation of labels between samples, restricted to whole blocks: if groups do not differ, each is as
likely as the real one. The price is resolution: with few blocks there are few permutations (docs/methods.md 4.19).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lode.grouping import PROMPT
from lode.importance.by_site import Shards
from lode.importance.sums import FIXED, Sums, added, total
from lode.table._dense import dense_shape
from lode.table._neuron import GROUP

#: By group, its rows.
ByGroup = Mapping[str, pa.Table]


def by_group(table: pa.Table) -> dict[str, pa.Table]:
    """The rows of each group of a dense table; views."""
    groups, (_, num_layers, num_neurons) = dense_shape(table)
    size = num_layers * num_neurons
    return {name: table.slice(place * size, size) for place, name in enumerate(groups)}


def with_value(rows: pa.Table, column: pa.Field, value: str | int) -> pa.Table:
    """The same rows with one value in a column."""
    values = pa.repeat(pa.scalar(value, column.type), rows.num_rows)
    return rows.set_column(rows.column_names.index(column.name), column, values)


def joined(groups: ByGroup) -> pa.Table:
    """A dense table out of the rows of its groups, each under its name here."""
    return pa.concat_tables([with_value(rows, GROUP, name) for name, rows in groups.items()])


def permuted(shards: Shards, groups: Sequence[str], rng: np.random.Generator) -> dict[str, list[Sums]]:
    """Of each dataset the sum of its shards, the blocks of some groups dealt anew to the places that blocks had.

    A place keeps its dataset, its shard and its label; samples of the prompt are in proportion to those of its blocks,
    as means over samples are taken by them. Other groups, and other columns of the prompt, are as they were.

    Args:
        shards: of all datasets of a model, at one site.
        groups: that take part, and share no token.
        rng: what the order is drawn by.
    """
    places = [
        (name, shard, group)
        for name, parts in shards.items()
        for shard, part in enumerate(parts)
        for group in groups
        if part.num_samples(group)
    ]
    order = rng.permutation(len(places))
    sources = [places[index] for index in order]
    blocks = [Block(shards[name][shard], group) for name, shard, group in sources]
    dealt: dict[str, list[Dealt]] = {name: [{} for _ in parts] for name, parts in shards.items()}
    for (name, shard, group), block in zip(places, blocks, strict=True):
        dealt[name][shard][group] = block
    return {name: [_with_blocks(parts, dealt[name])] for name, parts in shards.items()}


@dataclass(frozen=True)
class Block:
    """What one shard holds of one group."""

    part: Sums
    group: str

    @property
    def num_samples(self) -> int:
        """How many samples there are."""
        return self.part.num_samples(self.group)

    def values(self, column: str) -> np.ndarray:
        """A statistic (layer, neuron), or with the items of a list as a third axis."""
        return self.part.columns[column][self.part.groups.index(self.group)]


#: What blocks the places of one shard are given, by their labels.
Dealt = dict[str, Block]


def _with_blocks(parts: Sequence[Sums], dealt: Sequence[Dealt]) -> Sums:
    """The sum of the shards of a dataset with other blocks in the places of their own."""
    whole = added(parts)
    for place, group in enumerate(whole.groups):
        if blocks := [of[group] for of in dealt if group in of]:
            for name in whole.columns.keys() - set(FIXED):
                whole.columns[name][place] = total(block.values(name) for block in blocks)
    counts = map(_num_samples, parts, dealt)
    whole.columns["num_samples"][whole.groups.index(PROMPT)] = sum(counts)
    return whole


def _num_samples(part: Sums, dealt: Dealt) -> int:
    """How many samples the prompt of a shard stands for, with other blocks in the places of its own."""
    own, other = sum(map(part.num_samples, dealt)), sum(block.num_samples for block in dealt.values())
    count = part.num_samples(PROMPT)
    return max(round(count * other / own), 1) if own else max(count, 1)


def as_two_groups(one: pa.Table, other: pa.Table, group: str, names: tuple[str, str]) -> pa.Table:
    """A table in which one group of two tables is two groups.

    Args:
        one, other: importance tables of two halves of the samples, at one site.
        group: what is taken of both.
        names: what its halves are called; legal names of groups, that are not told from others by what they mean.
    """
    halves = by_group(one)[group], by_group(other)[group]
    return joined({**dict(zip(names, halves, strict=True)), PROMPT: by_group(one)[PROMPT]})
