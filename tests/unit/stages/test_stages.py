"""The light stages and the tables between them: download, prepare, aggregate, select, and the only writer."""

import errno
import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from omegaconf import DictConfig

from lode.control import Selected, within_blocks
from lode.dataset import Sample
from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.engine.seal import damage
from lode.engine.tables import read_provenance, read_table, replacing, write_table
from lode.grouping.modality import GROUPS, grouping
from lode.selection import taking_part
from lode.selection._sites import Living
from lode.stages import download_model, prepare_dataset, select_neurons
from lode.study import compose, restrict
from lode.table._dense import dense, dense_lists, list_column, neuron_columns
from lode.table.dataset import DATASET
from lode.table.importance import IMPORTANCE
from lode.table.neurons import NEURONS
from lode.table.statistics import STATISTICS
from tests.broken import safetensors
from tests.dense_tables import captured_importance, filled_fields, statistics

MODALITIES = tuple(GROUPS)

MADE_BY = {"config": {}, "code_digest": "unknown"}
TEXT, PROMPT = (MODALITIES.index(name) for name in ("text", "prompt"))


def config(step: str, *overrides: str) -> DictConfig:
    """What a script hands to its stage."""
    return restrict(compose(overrides), step, ("io", "runtime"))


# --- download ---------------------------------------------------------------------------------------------------------


#: The files of a model beside its weights.
LIGHT = ("chat_template.jinja", "config.json", "processor_config.json", "tokenizer.json")


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(safetensors())
    for name in LIGHT:
        (folder / name).write_bytes(b"{}")
    (folder / "onnx").mkdir()
    return folder


def manifest_of(tmp_path: Path, source: str) -> dict[str, Any]:
    output = tmp_path / "out" / "manifest.json"
    download_model.run(config("download_model", f"model.source={source}", f"io.manifest={output}"), MADE_BY)
    assert [p.name for p in output.parent.iterdir()] == ["manifest.json"]
    assert damage(output) == ""
    manifest = json.loads(output.read_text())
    assert manifest.pop("seal").startswith("lode-seal-")
    return manifest


def test_manifest_of_a_folder(tmp_path: Path, model_folder: Path) -> None:
    manifest = manifest_of(tmp_path, str(model_folder))
    assert manifest == {
        "name": "tiny_qwen2_vl",
        "source": str(model_folder),
        "revision": None,
        "folder": str(model_folder),
        "files": [
            {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted({"model.safetensors": safetensors(), **dict.fromkeys(LIGHT, b"{}")}.items())
        ],
        "trained_on": None,
        "made_by": MADE_BY,
    }


def test_manifest_of_a_project_folder_names_no_place_of_this_machine(tmp_path: Path) -> None:
    source = "resources/models/tiny_qwen2_vl"
    manifest = manifest_of(tmp_path, source)
    assert manifest["folder"] == source
    assert str(ROOT) not in json.dumps(manifest)
    assert {file["name"] for file in manifest["files"]} == {p.name for p in (ROOT / source).iterdir() if p.is_file()}


def test_manifest_of_a_hub_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Path) -> None:
    """A snapshot folder is named by its commit."""
    monkeypatch.setattr(download_model, "fetch", lambda source, revision, takes_media: model_folder)
    manifest = manifest_of(tmp_path, "someone/something")
    assert manifest["revision"] == "model"
    assert [sorted(file) for file in manifest["files"]] == [["name", "sha256", "size"]] * 5


# --- prepare ----------------------------------------------------------------------------------------------------------


def test_prepare_writes_what_the_plugin_yields(tmp_path: Path) -> None:
    sizes = ("dataset.num_samples.mine=4", "dataset.num_samples.test=3")
    outputs = [tmp_path / "1" / "quiz.parquet", tmp_path / "2" / "quiz.parquet"]
    for output in outputs:
        prepare_dataset.run(config("prepare_dataset", "dataset=toy_textvqa", *sizes, f"io.dataset={output}"), MADE_BY)
    rows = read_table(outputs[0], DATASET).to_pylist()
    assert [row["split"] for row in rows] == ["mine"] * 4 + ["test"] * 3
    assert all(row["media"][0]["bytes"].startswith(b"\x89PNG") for row in rows)
    assert all(json.loads(row["meta"]) == {} for row in rows)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_prepare_sorts_meta() -> None:
    assert (
        prepare_dataset.row(Sample("a", "a", "mine", "p", ("x",), meta={"b": 1, "a": 2}))["meta"] == '{"a": 2, "b": 1}'
    )


# --- select -----------------------------------------------------------------------------------------------------------


def importance_file(path: Path, absent: tuple[str, ...] = ("video", "audio")) -> Path:
    """Random importance of 4 layers with 50 neurons; `absent` modalities have no sample."""
    rng = np.random.default_rng(3)
    columns = neuron_columns(MODALITIES, 4, 50)
    held = ~np.isin(np.asarray(columns["group"]), absent)
    for field in filled_fields("importance"):
        values = rng.random(len(held)) if pa.types.is_floating(field.type) else np.ones(len(held), dtype=np.int64)
        columns.setdefault(field.name, values * held)
    write_table(path, IMPORTANCE, columns, MADE_BY)
    return path


def selected(tmp_path: Path, *overrides: str) -> list[dict[str, Any]]:
    importance = importance_file(tmp_path / "importance.parquet")
    output = tmp_path / "neurons.parquet"
    places = (f"io.importance={importance}", f"io.neurons={output}", "controls={kinds:[layer_matched],num_draws:3}")
    select_neurons.run(config("select_neurons", "selection.ratio=0.3", *places, *overrides), MADE_BY)
    return read_table(output, NEURONS).to_pylist()


def pairs_of(rows: list[dict[str, Any]]) -> dict[str, list[tuple[int, int]]]:
    sets: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        sets.setdefault(row["set_name"], []).append((row["layer"], row["neuron"]))
    return sets


def per_layer(pairs: list[tuple[int, int]]) -> list[int]:
    return np.bincount([layer for layer, _ in pairs], minlength=4).tolist()


@pytest.mark.parametrize("strategy", ["LA_MU", "adaptive", "LU_MA", "uniform", "random"])
def test_controls_match_their_set_layer_by_layer(tmp_path: Path, strategy: str) -> None:
    rows = selected(tmp_path, f"selection.options.strategy={strategy}")
    sets = pairs_of(rows)
    methods = {row["set_name"] for row in rows if row["kind"] == "method"}
    assert methods == {"text", "special", "image", "all"}
    assert len(sets) == len(methods) * (1 + 3)
    for name in methods:
        draws = [sets[f"{name}_layer_matched_{draw:02d}"] for draw in range(3)]
        for pairs in (sets[name], *draws):
            assert len(set(pairs)) == len(pairs), f"{name}: a neuron twice"
            assert per_layer(pairs) == per_layer(sets[name])
        assert len({tuple(sorted(draw)) for draw in draws}) == 3
    chosen = [sets[name] for name in sorted(methods - {"all"})]
    assert set(sets["all"]) == {pair for pairs in chosen for pair in pairs}
    assert read_provenance(tmp_path / "neurons.parquet")["num_unique"] == {n: len(set(sets[n])) for n in methods}


def test_columns_say_what_a_row_is(tmp_path: Path) -> None:
    rows = selected(tmp_path)
    for row in rows:
        if row["kind"] == "method":
            assert (row["control_of"], row["control_kind"], row["control_draw"]) == ("", "", -1)
            assert row["set_name"] == row["group"]
        else:
            assert row["control_kind"] == "layer_matched"
            assert row["set_name"] == f"{row['control_of']}_layer_matched_{row['control_draw']:02d}"
            assert np.isnan(row["score"])
            assert row["rank"] == -1
    image = [row for row in rows if row["set_name"] == "image"]
    assert [row["rank"] for row in image] == list(range(20))  # 0.3 of 200 neurons, a third each
    assert all(a["score"] >= b["score"] for a, b in pairwise(image))


def test_controls_depend_on_the_seed_alone(tmp_path: Path) -> None:
    first = selected(tmp_path)
    content = (tmp_path / "neurons.parquet").read_bytes()
    assert len(selected(tmp_path)) == len(first)
    assert (tmp_path / "neurons.parquet").read_bytes() == content
    before, after = pairs_of(first), pairs_of(selected(tmp_path, "seed=7"))
    for name in before:
        assert (before[name] == after[name]) == ("_layer_matched_" not in name), name


def test_controls_are_uniform_within_a_layer() -> None:
    """Each of 10 neurons is drawn in 3 / 10 of 2000 draws: 600, standard deviation 20.5."""
    pairs = np.array([[1, 0], [1, 1], [1, 2]])
    counts = np.zeros(10)
    for draw in range(2000):
        np.add.at(counts, within_blocks(pairs, np.zeros((5, 10), dtype=int), np.random.default_rng([5, draw]))[:, 1], 1)
    assert np.all(np.abs(counts - 600) < 4.5 * 20.5)


def test_an_empty_set_is_written_beside_others() -> None:
    """Selectors with a filter may find nothing for a modality."""
    nothing = (np.empty((0, 2), dtype=np.int64), np.empty(0))
    sets = {"text": nothing, "image": (np.array([[1, 2]]), np.array([0.5]))}
    every = captured_importance(0, 2, 10)
    selected = Selected({name: pairs for name, (pairs, _) in sets.items()}, every, tuple(sets), 0.1, lambda *_: {})
    gate = Living("lm_gate", every, np.arange(2), tuple(sets))
    table, alike = select_neurons.with_controls([select_neurons.AtSite(gate, sets, selected, 0)], ["layer_matched"], 2)
    assert table["set_name"].to_pylist() == ["image", "image_layer_matched_00", "image_layer_matched_01"]
    assert table.schema == NEURONS.schema
    assert list(alike["shared_frac"]["layer_matched"]) == list(alike["magnitude_ratios"]["layer_matched"]) == ["image"]


def test_union_keeps_the_best_score() -> None:
    a = (np.array([[0, 1], [1, 2]]), np.array([0.9, 0.2]))
    b = (np.array([[1, 2], [0, 0]]), np.array([0.5, 0.5]))
    pairs, scores = select_neurons.union([a, b])
    assert pairs.tolist() == [[0, 1], [0, 0], [1, 2]]
    assert scores.tolist() == [0.9, 0.5, 0.5]


def test_only_modalities_that_occur_take_part(tmp_path: Path) -> None:
    table = read_table(importance_file(tmp_path / "i.parquet"), IMPORTANCE)
    assert taking_part(table, grouping(), "special_text_separate", None) == ["text", "special", "image"]
    assert taking_part(table, grouping(), "special_text_as_one", None) == ["special_text", "image"]
    assert taking_part(table, grouping(), "prompt", None) == ["prompt"]
    assert taking_part(table, grouping(), "prompt", ["image", "text"]) == ["image", "text"]
    with pytest.raises(UserError, match=r"audio does not occur.*image, prompt, special, special_text, text"):
        taking_part(table, grouping(), "prompt", ["text", "audio"])


# --- tables -----------------------------------------------------------------------------------------------------------


def test_dense_round_trip() -> None:
    values = np.arange(2 * 3 * 4, dtype=float).reshape(2, 3, 4)
    table = pa.table({**neuron_columns(("text", "image"), 3, 4), "value": values.ravel()})
    names, read = dense(table, ["value", "value"])
    assert names == ("text", "image")
    np.testing.assert_array_equal(read, np.stack([values, values]))
    row = table.slice(1 * 12 + 2 * 4 + 3, 1).to_pylist()[0]
    assert row == {"site": "lm_gate", "group": "image", "layer": 2, "neuron": 3, "value": values[1, 2, 3]}


def test_dense_refuses_another_order() -> None:
    table = pa.table({**neuron_columns(("text", "image"), 3, 4), "value": np.arange(24.0)})
    with_lists = table.append_column("items", list_column(np.arange(48).reshape(2, 3, 4, 2)))
    np.testing.assert_array_equal(dense_lists(with_lists, "items"), np.arange(48).reshape(2, 3, 4, 2))
    for broken in (table.slice(1), table.take(np.arange(24)[::-1]), table.sort_by("neuron")):
        with pytest.raises(UserError, match="must be dense"):
            dense(broken, ["value"])


def statistics_bytes(path: Path) -> bytes:
    write_table(path, STATISTICS, statistics({TEXT: 1, PROMPT: 1}, {TEXT: 0.5}), MADE_BY)
    return path.read_bytes()


def test_equal_tables_are_equal_bytes(tmp_path: Path) -> None:
    """Of equal keys: those that the last parts of a path say."""
    first, second, renamed = ("1/tiny/quiz/0.parquet", "2/tiny/quiz/0.parquet", "2/small/quiz/0.parquet")
    assert statistics_bytes(tmp_path / first) == statistics_bytes(tmp_path / second)
    assert statistics_bytes(tmp_path / first) != statistics_bytes(tmp_path / renamed)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.parquet"
    before = statistics_bytes(path)

    def fail(where: Path, schema: pa.Schema, **options: Any) -> None:
        Path(where).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(pq, "ParquetWriter", fail)
    with pytest.raises(UserError, match=r"table.parquet cannot be written: No space left on device. Nothing half"):
        statistics_bytes(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["table.parquet"]


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "new" / "a.json") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize("rows", [True, False])
def test_nulls_and_missing_columns_are_refused(tmp_path: Path, rows: bool) -> None:
    columns = statistics({TEXT: 1}, {})
    columns["num_tokens"] = [None, *columns["num_tokens"][1:].tolist()]
    table: Any = pa.table(columns).to_pylist() if rows else columns
    with pytest.raises(ValueError, match="'num_tokens' holds nulls"):
        write_table(tmp_path / "a.parquet", STATISTICS, table, MADE_BY)
    del columns["max_sum"]
    with pytest.raises((KeyError, ValueError)):
        write_table(tmp_path / "a.parquet", STATISTICS, columns, MADE_BY)
    assert list(tmp_path.iterdir()) == []
