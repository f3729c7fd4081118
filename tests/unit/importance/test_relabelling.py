"""Labels dealt anew: which block lies where, by hand; that nothing is lost; and when the real labels come out again."""

from typing import Any

import numpy as np
import pyarrow as pa

from lode.grouping import PROMPT
from lode.importance.by_site import importance_of, some
from lode.importance.relabelling import as_two_groups, by_group, permuted, samples_of
from lode.selection._firing import read_firing
from lode.table._dense import dense
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


def counts(table: pa.Table, group: str) -> list[int]:
    return by_group(table)[group]["positive_count"].to_pylist()


def test_blocks_by_hand() -> None:
    """Places in order: road 0, road 1, scan 0, scan 1. Dealt: scan 0, road 1, road 0, scan 1."""
    shards = datasets(dict.fromkeys(("road", "scan"), RATE), 2)
    dealt = permuted(shards, ("road", "scan"), Order([2, 1, 0, 3]))
    road, scan = shards["toy_road"], shards["toy_scan"]
    assert counts(dealt["toy_road"][0], "road") == counts(scan[0], "scan") != counts(road[0], "road")
    assert counts(dealt["toy_road"][1], "road") == counts(road[1], "road")
    assert counts(dealt["toy_scan"][0], "scan") == counts(road[0], "road")
    assert counts(dealt["toy_scan"][1], "scan") == counts(scan[1], "scan")
    assert counts(dealt["toy_road"][0], "scan") == [0] * 8, "a place keeps its label"
    for name, tables in shards.items():
        for table, other in zip(tables, dealt[name], strict=True):
            assert table.select(["site", "group", "layer", "neuron"]).equals(
                other.select(["site", "group", "layer", "neuron"])
            )


def test_nothing_is_lost() -> None:
    """Over all groups and datasets the counts are those of before, in every draw; with real data untouched."""
    shards = datasets(RATES, 3)
    before = {name: [table.to_pylist() for table in tables] for name, tables in shards.items()}
    total = importance_of(shards)
    sums = dense(total, ["positive_count", "num_tokens", "num_samples"])[1]
    kept = [index for index, name in enumerate(dense(total, ["num_tokens"])[0]) if name in DOMAINS]
    for draw in range(5):
        dealt = importance_of(permuted(shards, DOMAINS, np.random.default_rng(draw)))
        found = dense(dealt, ["positive_count", "num_tokens", "num_samples"])[1]
        np.testing.assert_array_equal(found[:, kept].sum(1), sums[:, kept].sum(1))
        assert not np.array_equal(found[0], sums[0])
    assert before == {name: [table.to_pylist() for table in tables] for name, tables in shards.items()}


def test_the_real_labels_give_the_real_table() -> None:
    shards = datasets(RATES, 2)
    assert importance_of(permuted(shards, DOMAINS, Order(list(range(6))))).equals(importance_of(shards))


def test_means_over_samples_follow_the_blocks() -> None:
    """A block of 30 samples in the place of one of 10: the mean of its scores is over 30, not over 10."""
    few, many = datasets({"road": RATE}, 1)["toy_road"], datasets({"scan": RATE}, 1)["toy_scan"]
    many = [
        table.set_column(5, table.schema.field("num_samples"), pa.array(table["num_samples"].to_numpy() * 3))
        for table in many
    ]
    assert many[0].schema.names[5] == "num_samples"
    dealt = permuted({"toy_road": few, "toy_scan": many}, ("road", "scan"), Order([1, 0]))
    assert [samples_of(by_group(dealt[name][0])[PROMPT]) for name in dealt] == [30, 10]


def test_halves_of_a_group_are_two_groups() -> None:
    shards = datasets(RATES, 4)
    one, other = (importance_of(some(shards, which)) for which in ([0, 2], [1, 3]))
    two = as_two_groups(one, other, "scan", ("road", "form"))
    assert two["group"].unique().to_pylist() == ["road", "form", PROMPT]
    expected = [read_firing(table, ["scan"])[0] for table in (one, other)]
    np.testing.assert_array_equal(read_firing(two, ["road", "form"]), expected)
