"""The importance table from shards: formulas by hand, shards that add up, and captures that do not fit together."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_table, with_nulls, write_table
from lode.grouping.modality import GROUPS
from lode.importance import METRICS
from lode.importance.sums import added, sums_of
from lode.stages import aggregate_importance
from lode.study import compose, restrict
from lode.table._dense import dense, dense_lists, list_column
from lode.table.importance import IMPORTANCE
from lode.table.statistics import STATISTICS
from tests.dense_tables import SHAPE, filled_fields, statistics

MODALITIES = tuple(GROUPS)

MADE_BY = {"config": {}, "code_digest": "unknown", "dead_layers": {}}
TEXT, IMAGE, PROMPT = (MODALITIES.index(name) for name in ("text", "image", "prompt"))


def run(*overrides: str) -> None:
    """The stage, as its script runs it."""
    aggregate_importance.run(restrict(compose(overrides), "aggregate_importance", ("io", "runtime")), MADE_BY)


def aggregated(folder: Path, shards: dict[str, list[dict[str, Any]]]) -> pa.Table:
    paths = []
    for name, parts in shards.items():
        for index, columns in enumerate(parts):
            paths.append(folder / "activations" / name / f"{index}.parquet")
            write_table(paths[-1], STATISTICS, columns, MADE_BY)
    output = folder / "importance.parquet"
    lists = (f"mining_datasets=[{','.join(shards)}]", f"io.statistics=[{','.join(map(str, paths))}]")
    run(*lists, f"io.importance={output}")
    return read_table(output, IMPORTANCE)


def test_importance_by_hand(tmp_path: Path) -> None:
    """docs/methods.md 1.3. Dataset a: 4 samples, 2 with an image; dataset b: 5 samples, none with an image.

    text:  (2 / 4 + 1 / 5) / 2 datasets = 0.35;  image: (1 / 4 + 0) / 1 dataset = 0.25.
    """
    a = statistics({TEXT: 4, IMAGE: 2, PROMPT: 4}, {TEXT: 2.0, IMAGE: 1.0, PROMPT: 4.0}, pooled=3.0)
    b = statistics({TEXT: 5, PROMPT: 5}, {TEXT: 1.0, PROMPT: 5.0}, pooled=4.0)
    names, values = dense(aggregated(tmp_path, {"a": [a], "b": [b]}), METRICS)
    assert names == MODALITIES
    for index in range(len(METRICS)):
        np.testing.assert_allclose(values[index, TEXT], 0.35 * (1 + index), rtol=1e-15)
        np.testing.assert_allclose(values[index, IMAGE], 0.25 * (1 + index), rtol=1e-15)
        np.testing.assert_allclose(values[index, PROMPT], 1.0 * (1 + index), rtol=1e-15)
        np.testing.assert_array_equal(values[index, MODALITIES.index("video")], 0)


def test_counts_and_moments_are_pooled(tmp_path: Path) -> None:
    a = statistics({TEXT: 4, PROMPT: 4}, {TEXT: 1.0}, pooled=3.0)
    b = statistics({TEXT: 5, PROMPT: 5}, {TEXT: 1.0}, pooled=4.0)
    _, values = dense(
        aggregated(tmp_path, {"a": [a], "b": [b]}), ["num_samples", "num_tokens", "mean_sum", "max_sumsq"]
    )
    np.testing.assert_array_equal(values[0, TEXT], 9)
    np.testing.assert_array_equal(values[1:], 7)


def random_statistics(rng: np.random.Generator) -> dict[str, Any]:
    columns = statistics({TEXT: int(rng.integers(1, 9)), PROMPT: 9}, {})
    for field in filled_fields("statistics")[4:]:
        integers = pa.types.is_integer(field.type)
        columns[field.name] = rng.integers(0, 99, np.prod(SHAPE)) if integers else rng.random(np.prod(SHAPE))
    columns["down_norm"] = np.tile(np.arange(1.0, 7), len(MODALITIES))  # a fact of the weights
    columns["histogram"] = list_column(rng.integers(0, 9, (*SHAPE, 4), dtype=np.int32))
    columns["hidden_abs_sum"] = rng.random(np.prod(SHAPE))
    return columns


def together(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns of one shard that holds what all parts hold."""
    whole = dict(parts[0])
    for name in whole.keys() - {*STATISTICS.schema.names[:5], "down_norm", "histogram"}:
        whole[name] = sum(part[name] for part in parts)
    counts = sum(part["histogram"].flatten().to_numpy() for part in parts)
    whole["histogram"] = list_column(counts.reshape(*SHAPE, 4))
    return whole


def test_shards_merge_to_one(tmp_path: Path) -> None:
    """Counts exactly, sums to rounding, in whatever order the shards come."""
    rng = np.random.default_rng(0)
    parts = [random_statistics(rng) for _ in range(3)]
    single = aggregated(tmp_path / "1", {"a": [together(parts)]})
    for order in (parts, parts[::-1]):
        sharded = aggregated(tmp_path / "3", {"a": order})
        np.testing.assert_array_equal(dense_lists(sharded, "histogram"), dense_lists(single, "histogram"))
        for field in IMPORTANCE.schema:
            one, three = single[field.name], sharded[field.name]
            if pa.types.is_floating(field.type):
                np.testing.assert_allclose(three.to_numpy(), one.to_numpy(), rtol=1e-12, atol=0)
            else:
                assert three.equals(one), field.name


def test_histograms_of_datasets_are_added_and_weights_are_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    one, other = random_statistics(rng), random_statistics(rng)
    table = aggregated(tmp_path, {"a": [one], "b": [other]})
    both = dense_lists(table, "histogram")
    assert both.shape == (*SHAPE, 4)
    np.testing.assert_array_equal(both.ravel(), sum(np.asarray(part["histogram"].flatten()) for part in (one, other)))
    assert table["down_norm"].to_pylist() == [1, 2, 3, 4, 5, 6] * len(MODALITIES)
    np.testing.assert_allclose(table["hidden_abs_sum"], one["hidden_abs_sum"] + other["hidden_abs_sum"])


def test_what_was_not_captured_stays_null(tmp_path: Path) -> None:
    table = aggregated(tmp_path, {"a": [statistics({TEXT: 1, PROMPT: 1}, {})] * 2})
    for name in ("histogram", "hidden_abs_sum"):
        assert table[name].null_count == table.num_rows


@pytest.mark.parametrize("by", ["shard", "dataset", "bins"])
def test_captures_of_other_settings_are_refused(tmp_path: Path, by: str) -> None:
    full = random_statistics(np.random.default_rng(0))
    other = {name: values for name, values in full.items() if name != "histogram"}
    if by == "bins":
        other["histogram"] = list_column(np.ones((*SHAPE, 6), dtype=np.int32))
    shards = {"a": [full], "b": [other]} if by == "dataset" else {"a": [full, other]}
    says = {
        "shard": "some shards hold 'histogram' and others do not",
        "dataset": "captured with different settings",
        "bins": "histograms of 4 and of 6 bins",
    }
    with pytest.raises(UserError, match=says[by]):
        aggregated(tmp_path, shards)


def test_shards_of_other_models_are_refused() -> None:
    columns = statistics({TEXT: 1}, {})
    one = pa.table(with_nulls(columns, STATISTICS), schema=STATISTICS.schema)
    with pytest.raises(UserError, match=r"differ in shape.*run again"):
        added([sums_of(one), sums_of(one.filter(np.asarray(one["layer"]) == 0))])


@pytest.mark.parametrize(
    ("datasets", "says"),
    [("[a,b]", "mining dataset b: no shard of it was given"), ("[ab]", r"unknown dataset .*'a'.*Did you mean ab")],
)
def test_missing_and_stray_shards_are_named(tmp_path: Path, datasets: str, says: str) -> None:
    write_table(tmp_path / "a" / "0.parquet", STATISTICS, statistics({PROMPT: 1}, {}), MADE_BY)
    overrides = (
        f"mining_datasets={datasets}",
        f"io.statistics=[{tmp_path}/a/0.parquet]",
        f"io.importance={tmp_path}/o",
    )
    with pytest.raises(UserError, match=says):
        run(*overrides)
