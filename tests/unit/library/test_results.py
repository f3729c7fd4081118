"""Finished results as tidy tables."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lode
from lode.engine.errors import UserError
from lode.engine.tables import provenance, write_table
from lode.library.results import CUT_BY, PATTERNS, Results
from lode.study import STUDY
from lode.table.neurons import NEURONS
from lode.table.scores import SCORES
from lode.table.statistics import STATISTICS
from tests.dense_tables import statistics

MADE_BY = provenance('{"seed": 7}', "d0")
SCORE = {
    "score_name": "content", "outcome": "content", "unit": "nats", "set_name": "none", "kind": "clean",
    "control_of": "", "control_kind": "", "control_draw": -1, "num_neurons": 0, "num_samples": 3,
    "interval_low": -1.0, "interval_high": 0.0,
}  # fmt: skip


def neuron(name: str, layer: int, place: int, rank: int) -> dict[str, object]:
    return {
        "set_name": name, "kind": "method", "control_of": "", "control_kind": "", "control_draw": -1,
        "site": "lm_gate", "group": name, "layer": layer, "neuron": place, "score": 1.0 - rank / 4, "rank": rank,
    }  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Two models with three neurons each, and one benchmark."""
    for model, shift in (("big", 0), ("small", 10)):
        rows = [neuron("image", 0, 1 + shift, 0), neuron("image", 1, 2 + shift, 1), neuron("text", 1, 3 + shift, 0)]
        write_table(tmp_path / f"select_neurons/{model}/miner.parquet", NEURONS, rows, MADE_BY)
    path = tmp_path / "score_ablation/scores/big/miner/zero/quiz.parquet"
    write_table(path, SCORES, [{**SCORE, "dataset": "quiz", "value": -0.5}], MADE_BY)
    return lode.load(tmp_path)


def test_paths_become_columns(results: Results) -> None:
    assert list(results) == ["neurons", "scores"]
    rows = results["neurons"]
    assert rows.column_names == ["model", "selection", *NEURONS.schema.names]
    assert rows["model"].to_pylist() == ["big"] * 3 + ["small"] * 3
    assert rows["selection"].to_pylist() == ["miner"] * 6
    assert rows["neuron"].to_pylist() == [1, 2, 3, 11, 12, 13]
    assert rows.schema.field("neuron").metadata[b"unit"] == b"index"


def test_a_table_that_says_its_dataset_itself_has_one_column_of_it(results: Results) -> None:
    names = results["scores"].column_names
    assert names[:4] == ["model", "selection", "intervention", "dataset"]
    assert sorted(names) == sorted({*SCORES.schema.names, "model", "selection", "intervention"})
    assert results["scores"]["dataset"].to_pylist() == ["quiz"]


def captured(folder: Path, shard: int, shards: int, model: str = "big") -> Path:
    """The statistics of one shard of a run that was cut into some."""
    path = folder / f"capture_activations/{model}/quiz/{shard}.parquet"
    made_by = provenance(f'{{"capture": {{"shards": {shards}}}}}', "d0")
    write_table(path, STATISTICS, statistics({0: 2}, {0: 1.0}), made_by)
    return path


def test_a_shard_is_a_number(tmp_path: Path) -> None:
    for shard in (0, 1):
        captured(tmp_path, shard, 2)
    rows = lode.load(tmp_path).table("statistics", shard=1)
    assert rows.schema.field("shard").type == pa.int32()
    assert set(rows["shard"].to_pylist()) == {1}


@pytest.mark.parametrize("where", [{}, {"model": "big"}, {"shard": 0}])
@pytest.mark.parametrize(
    ("made", "named", "says"),
    [
        ({0: 2, 1: 2, 2: 3}, 2, "3 shards (capture.shards), and 0.parquet beside it for 2"),  # three, then two
        ({0: 1, 1: 2}, 1, "2 shards (capture.shards), and 0.parquet beside it for 1"),  # one, then two: interrupted
        ({0: 2, 2: 2}, 2, "2 shards (capture.shards), counted from 0"),  # renamed
    ],
)
def test_shards_of_several_runs_are_refused(
    tmp_path: Path, made: dict[int, int], named: int, says: str, where: dict[str, str | int]
) -> None:
    paths = {shard: captured(tmp_path, shard, shards) for shard, shards in made.items()}
    with pytest.raises(UserError) as caught:
        lode.load(tmp_path).table("statistics", **where)
    assert str(caught.value).startswith(f"{paths[named]}: it was made for {says}; expected the shards of one run")


def test_models_may_be_cut_each_in_its_way(tmp_path: Path) -> None:
    num_rows = statistics_rows(captured(tmp_path, 0, 1))
    for shard in (0, 1):
        captured(tmp_path, shard, 2, "small")
    captured(tmp_path, 5, 2, "bad")
    results = lode.load(tmp_path)
    assert results.table("statistics", model="big").num_rows == num_rows
    assert results.table("statistics", model="small").num_rows == 2 * num_rows
    with pytest.raises(UserError, match=r"bad/quiz/5\.parquet"):
        results["statistics"]


def test_a_shard_that_does_not_say_of_how_many_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "capture_activations/big/quiz/0.parquet"
    write_table(path, STATISTICS, statistics({0: 2}, {0: 1.0}), MADE_BY)
    with pytest.raises(UserError, match=r"0\.parquet: it does not say capture\.shards; it was made by another version"):
        lode.load(tmp_path)["statistics"]


def statistics_rows(path: Path) -> int:
    """Rows of a file."""
    return pq.read_metadata(path).num_rows


def test_every_table_with_shards_knows_what_cut_it() -> None:
    assert set(CUT_BY) == {name for name, pattern in PATTERNS.items() if "{shard}" in pattern}
    for name, section in CUT_BY.items():
        read = STUDY.writers[name].sections
        assert section in read or f"{section}.shards" in read


def test_only_rows_that_are_asked_for(results: Results) -> None:
    rows = results.table("neurons", model="small", set_name="image", layer=1)
    assert rows["neuron"].to_pylist() == [12]


def test_provenance(results: Results) -> None:
    found = results.provenance("neurons", model="big")
    assert list(found) == ["select_neurons/big/miner.parquet"]
    assert found["select_neurons/big/miner.parquet"]["config"] == {"seed": 7}


def test_every_parquet_file_of_the_cards_is_a_table() -> None:
    assert set(PATTERNS) == {name for name in STUDY.writers if STUDY.pattern(name).endswith(".parquet")}


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"set_name": "imag"}, "unknown set_name of the table neurons 'imag'; expected one of image, text. Did"),
        ({"model": "smal"}, "unknown model of the table neurons 'smal'; expected one of big, small. Did"),
        ({"modle": "big"}, "unknown column of the table neurons 'modle'"),
        ({"layer": "first"}, "layer = 'first': the table neurons holds int16 there"),
    ],
)
def test_what_no_row_has_is_refused(results: Results, where: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        results.table("neurons", **where)
    assert message in str(caught.value)


def test_an_unknown_table_is_refused_with_the_nearest(results: Results) -> None:
    with pytest.raises(UserError, match=r"unknown table of results 'nuerons'.* Did you mean neurons"):
        results["nuerons"]
    with pytest.raises(UserError, match="no file of the table ratings; it holds neurons, scores"):
        results["ratings"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing: no such folder"):
        lode.load(tmp_path / "nothing")
    with pytest.raises(UserError, match="none of the study's tables in it"):
        lode.load(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_damaged_file_is_refused(results: Results, keep: int) -> None:
    path = results.folder / "select_neurons/big/miner.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"big/miner\.parquet: (empty|truncated or edited)"):
        results["neurons"]
    assert results.table("neurons", model="small").num_rows == 3


def test_an_edited_file_is_refused(results: Results) -> None:
    path = results.folder / "select_neurons/big/miner.parquet"
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match="its content is not what was written"):
        results.provenance("neurons")


def test_loading_imports_no_torch_and_lode_alone_nothing() -> None:
    program = (
        "import sys, lode\n"
        "assert not [name for name in sys.modules if name.startswith('lode.')]\n"
        "assert {'load', 'open'} <= set(dir(lode))\n"
        "lode.load\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unknown_name_of_lode_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'lode' has no attribute 'laod'"):
        lode.laod  # noqa: B018
