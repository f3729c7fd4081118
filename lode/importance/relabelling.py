"""Shards whose labels are dealt anew, and halves of one group as two: statistics as they would be under a null.

A block is what one part of a dataset's samples holds of one group, a shard or one of `capture.blocks` of it. Parts are
random (part i holds every so-manyth sample from i on, and samples lie in random order), so permuting the labels of
blocks is a permutation of labels between samples, restricted to whole blocks: if groups do not differ, each is as
likely as the real one. The price is resolution: with few blocks there are few permutations (docs/methods.md 4.19).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from lode.grouping import PROMPT
from lode.importance.by_site import Shards
from lode.table._counts import COUNTS
from lode.table._dense import dense_shape
from lode.table._neuron import GROUP

#: By group, its rows.
ByGroup = Mapping[str, pa.Table]
NUM_SAMPLES = COUNTS[0].name


def by_group(table: pa.Table) -> dict[str, pa.Table]:
    """The rows of each group of a dense table; views."""
    groups, (_, num_layers, num_neurons) = dense_shape(table)
    size = num_layers * num_neurons
    return {name: table.slice(place * size, size) for place, name in enumerate(groups)}


def samples_of(rows: pa.Table) -> int:
    """How many samples hold the group that rows are of."""
    return int(rows[NUM_SAMPLES][0].as_py())


def with_value(rows: pa.Table, column: pa.Field, value: str | int) -> pa.Table:
    """The same rows with one value in a column."""
    values = pa.repeat(pa.scalar(value, column.type), rows.num_rows)
    return rows.set_column(rows.column_names.index(column.name), column, values)


def joined(groups: ByGroup) -> pa.Table:
    """A dense table out of the rows of its groups, each under its name here."""
    return pa.concat_tables([with_value(rows, GROUP, name) for name, rows in groups.items()])


def permuted(shards: Shards, groups: Sequence[str], rng: np.random.Generator) -> dict[str, list[pa.Table]]:
    """Shards in which the blocks of some groups are dealt anew to the places that blocks had.

    A place keeps its dataset, its shard and its label; samples of the prompt are in proportion to those of its blocks,
    as means over samples are taken by them. Other groups, and other columns of the prompt, are as they were.

    Args:
        shards: of all datasets of a model, at one site.
        groups: that take part, and share no token.
        rng: what the order is drawn by.
    """
    parts = {(name, index): by_group(table) for name, tables in shards.items() for index, table in enumerate(tables)}
    places = [(at, group) for at, rows in parts.items() for group in groups if samples_of(rows[group])]
    order = rng.permutation(len(places))
    dealt: dict[tuple[str, int], dict[str, pa.Table]] = {at: {} for at in parts}
    for (at, group), source in zip(places, (places[index] for index in order), strict=True):
        dealt[at][group] = parts[source[0]][source[1]]
    return {
        name: [_dealt(parts[name, index], dealt[name, index]) for index in range(len(tables))]
        for name, tables in shards.items()
    }


def _dealt(rows: ByGroup, blocks: ByGroup) -> pa.Table:
    """The table of a shard with other blocks in the places of its own."""
    own, other = (sum(samples_of(of[name]) for name in blocks) for of in (rows, blocks))
    count = round(samples_of(rows[PROMPT]) * other / own) if own else samples_of(rows[PROMPT])
    prompt = with_value(rows[PROMPT], COUNTS[0], max(count, 1))
    return joined({**rows, **blocks, PROMPT: prompt})


def as_two_groups(one: pa.Table, other: pa.Table, group: str, names: tuple[str, str]) -> pa.Table:
    """A table in which one group of two tables is two groups.

    Args:
        one, other: importance tables of two halves of the samples, at one site.
        group: what is taken of both.
        names: what its halves are called; legal names of groups, that are not told from others by what they mean.
    """
    halves = by_group(one)[group], by_group(other)[group]
    return joined({**dict(zip(names, halves, strict=True)), PROMPT: by_group(one)[PROMPT]})
