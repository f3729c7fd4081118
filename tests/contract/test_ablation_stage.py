"""The stage of ablation, from tables to a table: the same predictions in whatever batches and shards."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, write_table
from lode.grouping.modality import GROUPS
from lode.model.adapter import Adapter
from lode.neurons import SetKey
from lode.stages import benchmark_ablation
from lode.study import compose, restrict
from lode.table._dense import neuron_columns
from lode.table.dataset import DATASET
from lode.table.importance import IMPORTANCE
from lode.table.neurons import NEURONS
from lode.table.predictions import PREDICTIONS
from tests.dense_tables import captured_importance, filled_fields
from tests.plain_answers import PROMPTS, plain_reply
from tests.switching import INTERVENTIONS, intervention
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, PREPARED

MODALITIES = tuple(GROUPS)
#: The model of the config, whose neurons the tables are by their paths.
OWNER = "tiny_qwen2_vl"
FILES = {"predictions": "predictions", "dataset": "dataset", "neurons": f"{OWNER}/neurons"}


def neurons_table() -> list[dict[str, Any]]:
    control = ("image_uniform_00", "control", "image", "uniform", 0)
    keys = [("image", "method", "", "", -1), control, ("all", "method", "", "", -1)]
    places = [[(2, 7), (0, 3)], [(2, 1), (0, 9)], [(0, 3), (2, 7), (0, 3)]]
    return [
        {**SetKey(*key)._asdict(), "site": "lm_gate", "group": "image", "layer": layer, "neuron": neuron,
         "score": 1.0, "rank": 0}
        for key, pairs in zip(keys, places, strict=True) for layer, neuron in pairs
    ]  # fmt: skip


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_run_writes_every_set_of_every_sample(
    tmp_path: Path, tiny: Adapter, tiny_manifest: Path, batch_size: int
) -> None:
    """Replies do not depend on the batch; only the `test` split is asked, and of blank media where there are any."""
    extra = {"meta": "{}"}
    rows = [{**sample, **extra, "split": "mine" if i == 1 else "test"} for i, sample in enumerate(PROMPTS[:7])]
    write_table(tmp_path / "dataset.parquet", DATASET, rows, PREPARED)
    write_table(tmp_path / OWNER / "neurons.parquet", NEURONS, neurons_table(), {})
    paths = [f"io.{name}={tmp_path}/{file}.parquet" for name, file in FILES.items()]
    batches = [f"ablation.batch_size={batch_size}", "io.shard=0"]
    overrides = [*paths, f"io.manifest={tiny_manifest}", *batches, "runtime.device=cpu"]
    benchmark_ablation.run(restrict(compose(overrides), "benchmark_ablation", ("io", "runtime")), {"batch": batch_size})
    predictions = read_table(tmp_path / "predictions.parquet", PREDICTIONS).to_pylist()
    tested = [sample for row, sample in zip(rows, PROMPTS[:7], strict=True) if row["split"] == "test"]
    names = ("none", "blank", "image", "image_uniform_00", "all")
    asked = [(name, s["sample_id"]) for name in names for s in tested if s["media"] or name != "blank"]
    assert [(row["set_name"], row["sample_id"]) for row in predictions] == asked
    said = {row["sample_id"]: row["reply"] for row in predictions if row["set_name"] == "none"}
    assert said == {sample["sample_id"]: plain_reply(tiny, sample)[0] for sample in tested}
    replies = {name: [row["reply"] for row in predictions if row["set_name"] == name] for name in ("image", "all")}
    assert replies["image"] == replies["all"]  # the same neurons
    assert read_provenance(tmp_path / "predictions.parquet")["batch_size"] == batch_size


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_a_run_of_every_intervention_does_not_depend_on_the_batch(
    tmp_path: Path, tiny: Adapter, tiny_manifest: Path, name: str
) -> None:
    """From tables to a table; the importance table is there for those alone that need it."""
    rows = [{**sample, "meta": "{}", "split": "test"} for sample in PROMPTS if sample["media"]][:5]
    write_table(tmp_path / "dataset.parquet", DATASET, rows, PREPARED)
    write_table(tmp_path / OWNER / "neurons.parquet", NEURONS, neurons_table(), {})
    paths = [f"io.{kind}={tmp_path}/{FILES[kind]}.parquet" for kind in ("dataset", "neurons")]
    if "class_means" in intervention(tiny, name).needs:
        columns = neuron_columns(MODALITIES, NUM_LAYERS, NUM_NEURONS)
        for field in filled_fields("importance"):
            values = np.random.default_rng(1).normal(size=len(columns["layer"]))
            columns.setdefault(field.name, values if pa.types.is_floating(field.type) else np.ones(len(values), int))
        write_table(tmp_path / f"{OWNER}.parquet", IMPORTANCE, columns, {})
        paths.append(f"io.importance={tmp_path}/{OWNER}.parquet")
    said = []
    for batch_size in (1, 3):
        output = tmp_path / f"{batch_size}.parquet"
        sizes = ["io.shard=0", f"ablation.batch_size={batch_size}"]
        overrides = [*paths, f"io.predictions={output}", f"io.manifest={tiny_manifest}", *sizes]
        cfg = compose([f"intervention={name}", "runtime.device=cpu", "dataset.max_new_tokens=3", *overrides])
        benchmark_ablation.run(restrict(cfg, "benchmark_ablation", ("io", "runtime")), {})
        said.append(read_table(output, PREDICTIONS).to_pylist())
    assert [row["reply"] for row in said[0]] == [row["reply"] for row in said[1]]
    likelihood = [[row["gold_log_likelihood"] for row in table] for table in said]
    np.testing.assert_allclose(*likelihood, rtol=1e-4, atol=1e-4)
    by_set = {s: [r["gold_log_likelihood"] for r in said[0] if r["set_name"] == s] for s in ("none", "image")}
    assert by_set["none"] != by_set["image"]


def test_any_number_of_shards_gives_the_same_predictions(tmp_path: Path, tiny: Adapter, tiny_manifest: Path) -> None:
    """Replies and counts exactly, log-likelihoods to rounding; more shards than samples are refused in words."""
    rows = [{**sample, "meta": "{}", "split": "test"} for sample in PROMPTS[:5]]
    write_table(tmp_path / "dataset.parquet", DATASET, rows, PREPARED)
    write_table(tmp_path / OWNER / "neurons.parquet", NEURONS, neurons_table(), {})
    paths = [f"io.{name}={tmp_path}/{file}.parquet" for name, file in FILES.items()]

    def predicted(shards: int, shard: int) -> list[dict[str, Any]]:
        cut = [f"ablation.shards={shards}", f"io.shard={shard}", "ablation.batch_size=3", "runtime.device=cpu"]
        overrides = [*paths, f"io.manifest={tiny_manifest}", *cut]
        benchmark_ablation.run(restrict(compose(overrides), "benchmark_ablation", ("io", "runtime")), {})
        return read_table(tmp_path / "predictions.parquet", PREDICTIONS).to_pylist()

    def by_key(shards: int) -> dict[tuple[str, str], dict[str, Any]]:
        found = [row for shard in range(shards) for row in predicted(shards, shard)]
        return {(row["set_name"], row["sample_id"]): row for row in found}

    whole = by_key(1)
    for shards in (2, 3, 5):
        parts = by_key(shards)
        assert parts.keys() == whole.keys()
        for key, row in parts.items():
            other = dict(whole[key])
            options = row.pop("choice_log_likelihoods"), other.pop("choice_log_likelihoods")
            for name in ("gold_log_likelihood", "gold_token_log_likelihood", "end_log_likelihood"):
                assert row.pop(name) == pytest.approx(other.pop(name), rel=1e-6)
            assert row == other
            assert options[0] == (options[1] and pytest.approx(options[1], rel=1e-6))
    with pytest.raises(UserError, match="shard 6 of 7 has none of the 5 'test' samples"):
        predicted(7, 6)


@pytest.mark.parametrize("foreign", ["neurons", "importance"])
def test_tables_of_another_model_are_refused(tmp_path: Path, tiny_manifest: Path, foreign: str) -> None:
    """Both models have these neurons; nothing is written, and no model is loaded."""
    owner = {kind: "other" if kind == foreign else OWNER for kind in ("neurons", "importance")}
    rows = [{**sample, "meta": "{}", "split": "test"} for sample in PROMPTS[:2]]
    files = {
        "dataset": tmp_path / "dataset.parquet",
        "neurons": tmp_path / owner["neurons"] / "miner.parquet",
        "importance": tmp_path / f"{owner['importance']}.parquet",
    }
    write_table(files["dataset"], DATASET, rows, PREPARED)
    write_table(files["neurons"], NEURONS, neurons_table(), {})
    columns = captured_importance(num_layers=NUM_LAYERS, num_neurons=NUM_NEURONS).select(IMPORTANCE.schema.names)
    write_table(files["importance"], IMPORTANCE, {name: columns[name] for name in columns.column_names}, {})
    paths = [f"io.{name}={path}" for name, path in files.items()]
    output = f"io.predictions={tmp_path}/predictions.parquet"
    overrides = ["intervention=class_mean", *paths, output, f"io.manifest={tiny_manifest}", "io.shard=0"]
    cfg = restrict(compose(overrides), "benchmark_ablation", ("io", "runtime"))
    with pytest.raises(
        UserError, match=f"{foreign} of model other, and model {OWNER} is run; expected rows of {OWNER}"
    ):
        benchmark_ablation.run(cfg, {})
    assert not (tmp_path / "predictions.parquet").exists()
