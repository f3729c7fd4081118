"""Selections again on parts of the samples: overlaps worked by hand, and what cannot be asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.grouping.modality import GROUPS
from lode.importance import METRICS
from lode.stages import retest_selections
from lode.study import compose, restrict
from lode.table.retests import RETESTS
from lode.table.statistics import STATISTICS
from tests.dense_tables import SHAPE, statistics

MODALITIES = tuple(GROUPS)

MADE_BY = {"config": {}, "code_digest": "unknown"}
TEXT, IMAGE, PROMPT = (MODALITIES.index(name) for name in ("text", "image", "prompt"))


def shard(text: list[float], image: list[float], num_samples: int = 10) -> dict[str, Any]:
    """Sums of every score for the six neurons of the two layers, for text and image."""
    columns = statistics({TEXT: num_samples, IMAGE: num_samples, PROMPT: num_samples}, {})
    scores = np.zeros(SHAPE)
    scores[TEXT], scores[IMAGE] = (np.reshape(values, SHAPE[1:]) for values in (text, image))
    return columns | {f"{metric}_score_sum": scores.ravel() for metric in METRICS}


def retested(folder: Path, shards: list[dict[str, Any]], *overrides: str) -> list[dict[str, Any]]:
    """The rows that the stage writes for one mining dataset."""
    paths = [folder / "a" / f"{index}.parquet" for index in range(len(shards))]
    for path, columns in zip(paths, shards, strict=True):
        write_table(path, STATISTICS, columns, MADE_BY)
    tables = f"io.statistics=[{','.join(map(str, reversed(paths)))}]"
    output = folder / "retests.parquet"
    given = ("mining_datasets=[a]", "selection.ratio=0.34", tables, f"io.retests={output}", *overrides)
    retest_selections.run(restrict(compose(given), "retest_selections", ("io", "runtime")), MADE_BY)
    return read_table(output, RETESTS).to_pylist()


FIRST = shard([9, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])
SECOND = shard([1, 19, 2, 3, 4, 5], [0, 1, 2, 3, 4, 9])
THIRD = shard([1, 19, 2, 3, 4, 5], [0, 1, 2, 3, 4, 9])


def test_by_hand(tmp_path: Path) -> None:
    """One neuron a group. The first shard chooses neuron 0 for text, all shards neuron 1; image never moves."""
    rows = retested(tmp_path, [FIRST, SECOND, THIRD])
    found = {(row["set_name"], row["part"], row["num_samples"]): row["jaccard"] for row in rows}
    assert found == {
        ("text", "first", 10): 0.0,
        ("text", "first", 20): 1.0,
        ("text", "first", 30): 1.0,
        ("image", "first", 10): 1.0,
        ("image", "first", 20): 1.0,
        ("image", "first", 30): 1.0,
        ("text", "half", 10): 0.0,  # the first shard against the second; the third, of an odd number, is left out
        ("image", "half", 10): 1.0,
    }
    assert {row["num_neurons"] for row in rows} == {1}
    assert {row["chance_jaccard"] for row in rows} == {(1 / 6) / (2 - 1 / 6)}
    (text,) = (row for row in rows if (row["set_name"], row["part"]) == ("text", "half"))
    # ranks 6 1 2 3 4 5 and 1 6 2 3 4 5: squared differences 25 + 25, so 1 - 6 * 50 / (6 * 35)
    assert text["rank_correlation"] == pytest.approx(1 - 300 / 210)
    assert text["reliability"] == text["rank_correlation"]  # negative: no formula applies
    (image,) = (row for row in rows if (row["set_name"], row["part"]) == ("image", "half"))
    assert image["rank_correlation"] == image["reliability"] == pytest.approx(1)
    assert all(row["reliability"] is None for row in rows if row["part"] == "first")


def test_one_shard_has_no_parts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"capture\.blocks = 1: .* set capture\.blocks=10"):
        retested(tmp_path, [FIRST])


def test_a_random_selection_is_not_stable(tmp_path: Path) -> None:
    """On noise no strategy is; a random one with one seed for all parts would come out the same in each."""
    rng = np.random.default_rng(3)
    noise = [shard(list(rng.random(6)), list(rng.random(6))) for _ in range(20)]
    rows = retested(tmp_path, noise, "selection.options.strategy=random", "selection.ratio=0.67")
    parts = [row for row in rows if row["part"] == "first" and row["num_samples"] < 200]
    assert len(parts) == 2 * 19
    found = np.mean([row["jaccard"] for row in parts])
    assert found == pytest.approx(np.mean([row["chance_jaccard"] for row in parts]), abs=0.15)
    assert max(abs(row["rank_correlation"]) for row in parts) < 1
    assert abs(np.mean([row["rank_correlation"] for row in parts])) < 0.3
    assert {row["jaccard"] for row in rows if row["num_samples"] == 200} == {1.0}, "all shards are all shards"
