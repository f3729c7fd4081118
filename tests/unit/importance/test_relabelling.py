"""Labels dealt anew: which block lies where, by hand; that nothing is lost; and when the real labels come out again."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.grouping import PROMPT
from lode.importance.by_site import Tables, as_sums, importance_of, some
from lode.importance.relabelling import as_two_groups, by_group, permuted
from lode.importance.sums import Sums, sums_of
from lode.selection._firing import read_firing
from lode.table._dense import dense
from lode.table.statistics import STATISTICS
from tests.dealt import DOMAINS, datasets

RATE = np.full((2, 4), 0.5)
#: Of three domains in turn all neurons fire at one rate, so that a block can be told by its counts.
RATES = {name: np.full((2, 4), 0.2 + 0.3 * place) for place, name in enumerate(DOMAINS)}


class Order(np.random.Generator):
    """A generator whose permutation is known."""

    def __new__(cls, order: list[int]) -> "Order":  # the base class takes a bit generator here
        return super().__new__(cls, np.random.PCG64(0))

    def __init__(self, order: list[int]) -> None:
        super().__init__(np.random.PCG64(0))
        self.order = order

    def permutation(self, x: Any, axis: int = 0) -> Any:
        assert (x, axis) == (len(self.order), 0)
        return np.array(self.order)


def counts(of: Sums | pa.Table, group: str) -> list[int]:
    sums = of if isinstance(of, Sums) else sums_of(of)
    return sums.columns["positive_count"][sums.groups.index(group)].ravel().tolist()


def dealt_slowly(tables: Tables, groups: Sequence[str], order: Sequence[int]) -> dict[str, list[pa.Table]]:
    """Every shard as a table with other blocks, row by row: a place keeps its dataset, its shard and its label."""
    places = [
        (name, shard, group)
        for name, of in tables.items()
        for shard, table in enumerate(of)
        for group in groups
        if by_group(table)[group]["num_samples"][0].as_py()
    ]
    dealt: dict[str, list[dict[str, list[dict[str, Any]]]]] = {
        name: [{group: rows.to_pylist() for group, rows in by_group(table).items()} for table in of]
        for name, of in tables.items()
    }
    for (name, shard, group), source in zip(places, [places[index] for index in order], strict=True):
        rows = by_group(tables[source[0]][source[1]])[source[2]].to_pylist()
        dealt[name][shard][group] = [{**row, "group": group} for row in rows]
    for name, of in tables.items():
        for shard, table in enumerate(of):
            held = [group for of_name, of_shard, group in places if (of_name, of_shard) == (name, shard)]
            own, other = (sum(rows[g][0]["num_samples"] for g in held) for rows in (as_rows(table), dealt[name][shard]))
            for row in dealt[name][shard][PROMPT]:
                row["num_samples"] = max(round(row["num_samples"] * other / own), 1)
    return {
        name: [pa.Table.from_pylist([row for rows in of.values() for row in rows], STATISTICS.schema) for of in shards]
        for name, shards in dealt.items()
    }


def as_rows(table: pa.Table) -> dict[str, list[dict[str, Any]]]:
    return {group: rows.to_pylist() for group, rows in by_group(table).items()}


def test_blocks_by_hand() -> None:
    """Places in order: road 0, road 1, scan 0, scan 1. Dealt: scan 0, road 1, road 0, scan 1."""
    tables = datasets(dict.fromkeys(("road", "scan"), RATE), 2)
    dealt = permuted(as_sums(tables), ("road", "scan"), Order([2, 1, 0, 3]))
    road, scan = tables["toy_road"], tables["toy_scan"]

    def both(one: list[int], other: list[int]) -> list[int]:
        return [a + b for a, b in zip(one, other, strict=True)]

    assert counts(dealt["toy_road"][0], "road") == both(counts(scan[0], "scan"), counts(road[1], "road"))
    assert counts(dealt["toy_scan"][0], "scan") == both(counts(road[0], "road"), counts(scan[1], "scan"))
    assert counts(scan[0], "scan") != counts(road[0], "road")
    assert counts(dealt["toy_road"][0], "scan") == [0] * 8, "a place keeps its label"


@pytest.mark.parametrize("num_shards", [1, 3])
def test_sums_equal_those_of_tables_dealt_row_by_row(num_shards: int) -> None:
    """Every bit of the importance, in ten orders; blocks are of unequal numbers of samples."""
    tables = {
        name: [in_proportion(table, 1 + place + shard) for shard, table in enumerate(of)]
        for place, (name, of) in enumerate(datasets(RATES, num_shards).items())
    }
    before = {name: [table.to_pylist() for table in of] for name, of in tables.items()}
    shards = as_sums(tables)
    for draw in range(10):
        order = np.random.default_rng(draw).permutation(3 * num_shards).tolist()
        slow = importance_of(as_sums(dealt_slowly(tables, DOMAINS, order)))
        assert importance_of(permuted(shards, DOMAINS, Order(order))).equals(slow)
    assert before == {name: [table.to_pylist() for table in of] for name, of in tables.items()}


def in_proportion(table: pa.Table, times: int) -> pa.Table:
    """As if every sample had come so many times, as far as numbers of samples go."""
    field = table.schema.field("num_samples")
    place = table.schema.names.index("num_samples")
    return table.set_column(place, field, pa.array(table["num_samples"].to_numpy() * times))


def test_nothing_is_lost() -> None:
    """Over all groups and datasets the counts are those of before, in every draw."""
    shards = as_sums(datasets(RATES, 3))
    total = importance_of(shards)
    sums = dense(total, ["positive_count", "num_tokens", "num_samples"])[1]
    kept = [index for index, name in enumerate(dense(total, ["num_tokens"])[0]) if name in DOMAINS]
    for draw in range(5):
        dealt = importance_of(permuted(shards, DOMAINS, np.random.default_rng(draw)))
        found = dense(dealt, ["positive_count", "num_tokens", "num_samples"])[1]
        np.testing.assert_array_equal(found[:, kept].sum(1), sums[:, kept].sum(1))
        assert not np.array_equal(found[0], sums[0])


def test_the_real_labels_give_the_real_table() -> None:
    shards = as_sums(datasets(RATES, 2))
    assert importance_of(permuted(shards, DOMAINS, Order(list(range(6))))).equals(importance_of(shards))


def test_means_over_samples_follow_the_blocks() -> None:
    """A block of 30 samples in the place of one of 10: the mean of its scores is over 30, not over 10."""
    few, many = datasets({"road": RATE}, 1)["toy_road"], datasets({"scan": RATE}, 1)["toy_scan"]
    shards = as_sums({"toy_road": few, "toy_scan": [in_proportion(table, 3) for table in many]})
    dealt = permuted(shards, ("road", "scan"), Order([1, 0]))
    assert [dealt[name][0].num_samples(PROMPT) for name in dealt] == [30, 10]


def test_halves_of_a_group_are_two_groups() -> None:
    shards = as_sums(datasets(RATES, 4))
    one, other = (importance_of(some(shards, which)) for which in ([0, 2], [1, 3]))
    two = as_two_groups(one, other, "scan", ("road", "form"))
    assert two["group"].unique().to_pylist() == ["road", "form", PROMPT]
    expected = [read_firing(table, ["scan"])[0] for table in (one, other)]
    np.testing.assert_array_equal(read_firing(two, ["road", "form"]), expected)
