"""The stage of shifts, from tables to tables: the same in whatever batches, and what a tower set needs."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, write_table
from lode.neurons import SetKey
from lode.stages import measure_shift
from lode.study import compose, restrict
from lode.table.dataset import DATASET
from lode.table.neurons import NEURONS
from lode.table.sample_shifts import SAMPLE_SHIFTS
from lode.table.shifts import SHIFTS
from tests.tiny_model import NUM_LAYERS, PREPARED, RECORDS

#: The model of the config, whose neurons the tables are by their paths.
OWNER = "tiny_qwen2_vl"
KEYS = [
    SetKey("image", "method"),
    *(SetKey(f"image_uniform_{draw:02d}", "control", "image", "uniform", draw) for draw in range(2)),
    SetKey("image_sham_00", "control", "image", "sham", 0),
]


def neuron_rows(site: str, layer: int) -> list[dict[str, Any]]:
    places = [[3, 7], [20, 9], [1, 2], [3, 7]]
    further = {"site": site, "group": "image", "layer": layer, "score": 1.0, "rank": 0}
    return [
        {**key._asdict(), **further, "neuron": neuron}
        for key, neurons in zip(KEYS, places, strict=True)
        for neuron in neurons
    ]


def measure(folder: Path, manifest: Path, *overrides: str, site: str = "lm_gate", layer: int = 1) -> tuple[Any, Any]:
    """Run the stage on all records but one, which is of the other split; its two tables."""
    rows = [{**sample, "meta": "{}", "split": "mine" if at == 1 else "test"} for at, sample in enumerate(RECORDS)]
    write_table(folder / "dataset.parquet", DATASET, rows, PREPARED)
    write_table(folder / OWNER / "neurons.parquet", NEURONS, neuron_rows(site, layer), {})
    paths = {"dataset": "dataset", "neurons": f"{OWNER}/neurons", "shifts": "shifts", "sample_shifts": "of"}
    given = [f"io.{name}={folder}/{file}.parquet" for name, file in paths.items()]
    given += [f"io.manifest={manifest}", "runtime.device=cpu", "dataset.name=quiz", *overrides]
    measure_shift.run(restrict(compose(given), "measure_shift", ("io", "runtime")), {"made": "here"})
    return read_table(folder / "shifts.parquet", SHIFTS), read_table(folder / "of.parquet", SAMPLE_SHIFTS)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_run_writes_every_set_group_and_layer(tmp_path: Path, tiny_manifest: Path, batch_size: int) -> None:
    shifts, samples = measure(tmp_path, tiny_manifest, f"shift.batch_size={batch_size}")
    groups = ("text", "special", "special_text", "image", "prompt", "last")
    keys = [(key.set_name, group, layer) for key in KEYS for group in groups for layer in range(NUM_LAYERS + 1)]
    assert [(row["set_name"], row["group"], row["layer"]) for row in shifts.to_pylist()] == keys
    assert read_provenance(tmp_path / "shifts.parquet")["batch_size"] == batch_size
    shown = [sample for at, sample in enumerate(RECORDS) if sample["media"] and at != 1]
    of_image = samples.filter((pc.field("group") == "image") & (pc.field("set_name") == "image"))
    assert of_image["sample_id"].to_pylist() == [sample["sample_id"] for sample in shown]
    (last,) = shifts.filter(
        (pc.field("group") == "image") & (pc.field("set_name") == "image") & (pc.field("layer") == NUM_LAYERS)
    ).to_pylist()
    assert last["shift"] == pytest.approx(np.mean(of_image["shift"].to_numpy()))
    assert (last["num_samples"], last["num_tokens"]) == (len(shown), sum(of_image["num_tokens"].to_pylist()))
    assert last["interval_low"] <= last["shift"] <= last["interval_high"]
    assert 0 < last["parallel_frac"] < 1
    sham = shifts.filter(pc.equal(shifts["control_kind"], "sham"))
    assert set(sham["shift"].to_pylist()) == {0.0}
    assert set(sham["interval_low"].to_pylist()) == set(sham["interval_high"].to_pylist()) == {0.0}
    assert set(sham["parallel_frac"].to_pylist()) == {None}
    assert set(pc.unique(shifts["num_neurons"]).to_pylist()) == {2}


def test_batches_change_nothing_but_rounding(tmp_path: Path, tiny_manifest: Path) -> None:
    tables: list[tuple[pa.Table, pa.Table]] = []
    for size in (1, 6):
        (tmp_path / str(size)).mkdir()
        tables.append(measure(tmp_path / str(size), tiny_manifest, f"shift.batch_size={size}"))
    for one, other in zip(*tables, strict=True):
        np.testing.assert_allclose(one["shift"].to_numpy(), other["shift"].to_numpy(), rtol=1e-3, atol=2e-5)


def test_fewer_samples_and_controls(tmp_path: Path, tiny_manifest: Path) -> None:
    shifts, samples = measure(tmp_path, tiny_manifest, "shift.max_samples=3", "shift.num_controls=1")
    assert samples["sample_id"].unique().to_pylist() == ["a", "d", "f"]  # of a, c, d, e, f, g
    assert shifts["set_name"].unique().to_pylist() == ["image", "image_uniform_00", "image_sham_00"]


def test_a_tower_set_by_hooks_goes_one_sample_a_batch(tmp_path: Path, tiny_manifest: Path) -> None:
    """Zero in the weights works with any batch; a constant is put there by hooks."""
    shifts, _ = measure(tmp_path, tiny_manifest, "intervention=scale", site="vision_tower", layer=0)
    assert read_provenance(tmp_path / "shifts.parquet")["batch_size"] == 1
    first = shifts.filter((pc.field("layer") == 0) & (pc.field("set_name") == "image")).to_pylist()
    moved = {row["group"]: row["shift"] > 0 for row in first}
    assert (moved["image"], moved["text"], moved["special"]) == (True, False, False)
    measure(tmp_path, tiny_manifest, site="vision_tower", layer=0)
    assert read_provenance(tmp_path / "shifts.parquet")["batch_size"] == 10


def test_neurons_of_another_model_are_refused(tmp_path: Path, tiny_manifest: Path) -> None:
    with pytest.raises(UserError, match="neurons of model tiny_qwen2_vl, and model tiny_qwen2_audio is run"):
        measure(tmp_path, tiny_manifest, "model.name=tiny_qwen2_audio")
