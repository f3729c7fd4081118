"""Sets under nulls on simulated statistics of known truth: no difference of domains, and a planted one."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.stages import measure_domains
from lode.statistics.domains import permutation_range
from lode.study import compose, restrict
from lode.table.domains import DOMAINS as TABLE
from lode.table.null_statistics import NULL_STATISTICS
from lode.table.set_nulls import SET_NULLS
from lode.table.statistics import STATISTICS
from tests.dealt import CHOICE, DOMAINS, datasets

SHAPE, NUM_SHARDS = (4, 150), 6
NUM_PLANTED = 10  # of each domain


def no_effect(seed: int) -> dict[str, np.ndarray]:
    """Neurons of all rates, the same on every domain."""
    rate = np.random.default_rng(seed).uniform(0.05, 0.6, SHAPE)
    return dict.fromkeys(DOMAINS, rate)


def planted(seed: int) -> dict[str, np.ndarray]:
    """The same, but ten neurons of each domain fire on it at 0.9, and at 0.05 on the others."""
    rates = {name: rate.copy() for name, rate in no_effect(seed).items()}
    for place, name in enumerate(DOMAINS):
        for other, rate in rates.items():
            rate[1, place * NUM_PLANTED : (place + 1) * NUM_PLANTED] = 0.9 if other == name else 0.05
    return rates


def measured(
    folder: Path,
    shards: dict[str, list[pa.Table]],
    *overrides: str,
    nulls: dict[str, dict[str, list[pa.Table]]] | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows that the stage writes: of domains, and of set_nulls."""
    paths: dict[str, list[str]] = {"statistics": [], "null_statistics": []}
    for kind, of in {"": shards, **(nulls or {})}.items():
        name, table = ("null_statistics", NULL_STATISTICS) if kind else ("statistics", STATISTICS)
        for dataset, tables in of.items():
            for index, data in enumerate(tables):
                path = folder / name / "m" / dataset / kind / f"{index}.parquet"
                write_table(path, table, {column: data[column] for column in data.column_names}, {})
                paths[name].append(str(path))
    outputs = {name: folder / name / "m" / "s.parquet" for name in ("domains", "set_nulls")}
    given = [
        "selection.sites=null",
        f"mining_datasets=[{','.join(shards)}]",
        *(f"io.{name}={path}" for name, path in outputs.items()),
    ]
    given += [f"io.{name}=[{','.join(of)}]" for name, of in paths.items()]
    cfg = compose([*CHOICE, "nulls.num_draws=20", *given, *overrides])
    measure_domains.run(restrict(cfg, "measure_domains", ("io", "runtime")), {})
    return read_table(outputs["domains"], TABLE).to_pylist(), read_table(outputs["set_nulls"], SET_NULLS).to_pylist()


def of(rows: list[dict[str, Any]], column: str, null: str, group: str) -> list[Any]:
    return [row[column] for row in rows if (row["null"], row["group"]) == (null, group)]


def test_without_an_effect_the_real_set_is_as_a_permuted_one(tmp_path: Path) -> None:
    """Over three worlds without any difference of domains, nearly all real counts are within the range of draws."""
    inside = []
    for seed in range(3):
        _, rows = measured(tmp_path / str(seed), datasets(no_effect(seed), NUM_SHARDS, seed))
        for group in DOMAINS:
            draws = of(rows, "num_as_good", "permuted", group)
            (real,) = of(rows, "num_real", "none", group)
            assert len(draws) == 20
            low, high = permutation_range(draws)
            inside.append(low <= real <= high)
            assert np.mean(draws) / real > 0.5, "most of the set would be found by chance"
    assert sum(inside) >= 8, inside


def test_a_planted_effect_is_outside(tmp_path: Path) -> None:
    domains, rows = measured(tmp_path, datasets(planted(0), NUM_SHARDS))
    for group in DOMAINS:
        (real,) = of(rows, "num_real", "none", group)
        assert real == NUM_PLANTED
        low, high = permutation_range(of(rows, "num_as_good", "permuted", group))
        assert high < real / 2, (low, high)
        assert max(of(rows, "false_discovery", "permuted", group)) <= 1
        assert np.mean(of(rows, "jaccard", "permuted", group)) < 0.6
        (spread,) = of(rows, "effective_groups", "none", group)
        assert spread == pytest.approx(np.exp(-0.9 * np.log(0.9) - 0.1 * np.log(0.05)), abs=0.1)  # q = .9 .05 .05
        assert np.mean(of(rows, "effective_groups", "halves", group)) > 1.9, "of two halves that are alike"
        owned = [row for row in domains if (row["group"], row["null"]) == (group, "none")]
        assert [row["num_owned"] for row in owned] == [0, NUM_PLANTED, 0, 0]
        assert [row["num_exclusive"] for row in owned] == [0, NUM_PLANTED, 0, 0]
        assert {row["expected"] for row in owned} == {NUM_PLANTED / 4}
    assert {row["num_groups"] for row in rows if row["null"] == "halves"} == {2}
    assert of(rows, "num_as_good", "halves", "road") == [None]
    assert len({row["bar"] for row in domains if row["null"] == "none"}) == 1


def test_permuted_labels_need_blocks_enough(tmp_path: Path) -> None:
    """Of a planted effect whole blocks keep much at two shards of each domain; at five nothing passes the real bar."""
    as_good, spread = {}, {}
    for count in (2, 5):
        _, rows = measured(tmp_path / str(count), datasets(planted(0), count))
        draws = [row for row in rows if row["null"] == "permuted"]
        as_good[count] = np.mean([row["num_as_good"] for row in draws])
        spread[count] = np.nanmean([row["effective_groups"] for row in draws])
    assert as_good[2] > 1
    assert as_good[5] < 0.1
    assert spread[2] < 2.85 < 2.95 < spread[5], "of three groups"


def test_captured_nulls_stand_beside_the_real_set(tmp_path: Path) -> None:
    """Blank media as in a world without the effect; one prompt that changes nothing."""
    shards = datasets(planted(0), NUM_SHARDS)
    nulls = {"blank": datasets(no_effect(0), NUM_SHARDS, 5), "same_prompt": shards}
    domains, rows = measured(tmp_path, shards, "nulls.num_draws=1", nulls=nulls)
    assert [row["null"] for row in rows] == [
        name for name in ("none", "blank", "same_prompt", "permuted") for _ in DOMAINS
    ] + ["halves"] * 3
    for group in DOMAINS:
        assert of(rows, "jaccard", "same_prompt", group) == of(rows, "jaccard", "none", group) == [1.0]
        assert of(rows, "false_discovery", "same_prompt", group) == [1.0]
        assert of(rows, "jaccard", "blank", group)[0] < 0.2
        assert of(rows, "num_as_good", "blank", group) == [0]
    assert {row["null"] for row in domains} == {"none", "blank", "same_prompt", "permuted"}


def test_every_site_is_taken_alone(tmp_path: Path) -> None:
    """A second site of another width, whose sets are those that it has alone."""
    gate, tower = datasets(planted(0), 2), datasets(no_effect(1), 2, seed=2)
    renamed = {
        name: [t.set_column(1, t.schema.field("site"), pa.array(["tower"] * t.num_rows)) for t in tables]
        for name, tables in tower.items()
    }
    both = {name: [pa.concat_tables(pair) for pair in zip(gate[name], renamed[name], strict=True)] for name in gate}
    found = [measured(tmp_path / k, of, "nulls.num_draws=2")[1] for k, of in (("a", both), ("b", gate), ("c", renamed))]
    assert found[0] == [*found[1], *found[2]]


def test_one_shard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"capture\.blocks = 1: no blocks of samples"):
        measured(tmp_path, datasets(planted(0), 1))


def test_one_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="compares groups, and only road"):
        measured(tmp_path, datasets({"road": no_effect(0)["road"]}, 2), "selection=miner")


def one_alone(seed: int) -> dict[str, np.ndarray]:
    """Forty neurons fire on the first domain alone, so that their entropy is 0; others on all."""
    rates = {name: rate.copy() for name, rate in no_effect(seed).items()}
    for name, rate in rates.items():
        rate[1, :40] = 0.9 if name == DOMAINS[0] else 0
    return rates


def test_the_real_scores_against_themselves_give_one_where_many_tie(tmp_path: Path) -> None:
    """Of 40 neurons that tie the set takes 30; one prompt that changes nothing finds all 40 again, of 40."""
    shards = datasets(one_alone(0), 2)
    _, rows = measured(tmp_path, shards, "nulls.num_draws=1", nulls={"same_prompt": shards})
    name = DOMAINS[0]
    for null in ("none", "same_prompt"):
        assert of(rows, "num_real", null, name) == [30]
        assert of(rows, "num_as_good", null, name) == [40]
        assert of(rows, "false_discovery", null, name) == [1.0]


@pytest.mark.parametrize(("strategy", "known"), [("LA_MU", True), ("adaptive", True), ("LU_MA", False),
                                                 ("uniform", False), ("random", False)])  # fmt: skip
def test_places_and_chance_are_not_compared(strategy: str, known: bool, tmp_path: Path) -> None:
    """Of `uniform` as many hold a place as are asked for, whatever the table: that would be 1 by construction."""
    given = ["selection=miner", "selection.group_split=all", f"selection.options.strategy={strategy}"]
    _, rows = measured(tmp_path, datasets(planted(0), 2), "nulls.num_draws=1", *given)
    compared = [row for row in rows if row["null"] in ("none", "permuted") and row["num_real"]]
    assert compared
    assert {row["num_as_good"] is not None for row in compared} == {known}
    assert {row["false_discovery"] is not None for row in compared} == {known}
