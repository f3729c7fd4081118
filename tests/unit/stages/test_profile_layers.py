"""Depth profiles from made-up statistics: shallow under all normalisations, under four, and where nothing is read."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.importance import METRICS, NORMALISATIONS, score_sums
from lode.stages import profile_layers
from lode.study import compose, restrict
from lode.table._dense import dense_lists, list_column
from lode.table.profiles import PROFILES
from lode.table.statistics import STATISTICS
from tests.dealt import DOMAINS, datasets

SHAPE = (5, 40)
MINER = ("grouping=domain", "selection=miner", "selection.group_split=all", "selection.ratio=0.3")


def shallow(seed: int = 0) -> dict[str, np.ndarray]:
    """Rates that fall with depth, on every domain."""
    rate = np.random.default_rng(seed).uniform(0.05, 0.2, SHAPE) + np.linspace(0.6, 0, SHAPE[0])[:, None]
    return dict.fromkeys(DOMAINS, rate)


def profiled(folder: Path, shards: dict[str, list[pa.Table]], *overrides: str) -> list[dict[str, Any]]:
    paths = []
    for dataset, tables in shards.items():
        for index, data in enumerate(tables):
            paths.append(str(folder / "m" / dataset / f"{index}.parquet"))
            write_table(paths[-1], STATISTICS, {name: data[name] for name in data.column_names}, {})
    output = folder / "profiles" / "m" / "s.parquet"
    given = (f"mining_datasets=[{','.join(shards)}]", f"io.statistics=[{','.join(paths)}]", f"io.profiles={output}")
    cfg = compose([*MINER, *overrides, *given])
    profile_layers.run(restrict(cfg, "profile_layers", ("io", "runtime")), {})
    return read_table(output, PROFILES).to_pylist()


def upside_down(table: pa.Table, place: int) -> pa.Table:
    """The sums of one normalisation with its layers in opposite order."""
    for metric in METRICS:
        lists = dense_lists(table, score_sums(metric)).copy()
        lists[..., place] = lists[:, ::-1, :, place]
        at = table.column_names.index(score_sums(metric))
        table = table.set_column(at, table.schema.field(at), list_column(lists))
    return table


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_layers, "NUM_RESAMPLES", 12)


@pytest.mark.usefixtures("few")
def test_a_set_is_called_shallow_where_every_normalisation_says_so(tmp_path: Path) -> None:
    shards = datasets(shallow(), 4)
    rows = profiled(tmp_path / "a", shards)
    assert [row["normalisation"] for row in rows if row["set_name"] == "scan"] == list(NORMALISATIONS)
    for row in rows:
        assert (row["claim"], row["side"], row["expected"]) == ("shallow", -1, 2)
        assert sum(row["counts"]) == 20  # 0.3 of 200 neurons, for three groups
        assert row["counts"][0] == 20
        assert (row["centre"], row["interval_low"], row["interval_high"]) == (0, 0, 0)
        assert row["chi_square"] == pytest.approx(4 * 4 + 16**2 / 4)  # 4 expected in each of five layers
        assert row["p_value"] == 1 / 1001
        assert sum(row["mass"]) == pytest.approx(1)
        assert row["mass"][0] > 0.3
        assert row["centre"] < row["mass_centre"] < 2, "the mass of all scores is spread more evenly"
    place = NORMALISATIONS.index("none")
    other = {name: [upside_down(table, place) for table in tables] for name, tables in shards.items()}
    rows = profiled(tmp_path / "b", other)
    assert {(row["normalisation"], row["side"]) for row in rows} == {
        (name, 1 if name == "none" else -1) for name in NORMALISATIONS
    }
    assert {row["claim"] for row in rows} == {"neither"}


@pytest.mark.usefixtures("few")
def test_what_only_one_normalisation_was_captured_of(tmp_path: Path) -> None:
    shards = {
        name: [table.drop_columns([score_sums(metric) for metric in METRICS]) for table in tables]
        for name, tables in datasets(shallow(), 2).items()
    }
    rows = profiled(tmp_path, shards)
    assert {(row["normalisation"], row["side"], row["claim"]) for row in rows} == {("captured", -1, "not_asked")}


@pytest.mark.usefixtures("few")
def test_a_selection_that_reads_no_importance_has_one_row(tmp_path: Path) -> None:
    """On rates that differ in no layer: nothing is told. Scores of minus infinity are no mass."""
    flat = dict.fromkeys(DOMAINS, np.random.default_rng(2).uniform(0.1, 0.6, SHAPE))
    rows = profiled(tmp_path, datasets(flat, 4), "selection=lape", "selection.group_split=all")
    assert [(row["set_name"], row["normalisation"]) for row in rows] == [(name, "") for name in DOMAINS]
    assert {row["claim"] for row in rows} == {"neither"}
    assert {row["mass"] for row in rows} == {None}
    for row in rows:
        assert row["centre"] == pytest.approx(np.average(range(5), weights=row["counts"]))
        assert row["interval_low"] < row["interval_high"]


def test_one_shard_is_refused_here_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"capture\.shards = 1"):
        profiled(tmp_path, datasets(shallow(), 1))
