"""Traces under sets: identities on a model, the same in whatever batches, and from tables to tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lode.engine.tables import read_provenance, read_table, write_table
from lode.grouping.modality import grouping
from lode.intervention._switches import switches_of
from lode.model.adapter import Adapter
from lode.model.answering import judge, prepare_batch
from lode.neurons import NeuronSet, SetKey, at_gate, unique_pairs
from lode.stages import compare_traces, trace_sets
from lode.stages.trace_sets import CLEAN, Looked, trace_batch
from lode.study import compose, restrict
from lode.table.dataset import DATASET
from lode.table.neurons import NEURONS
from lode.table.set_flow_samples import SET_FLOW_SAMPLES
from lode.table.set_lens_samples import SET_LENS_SAMPLES
from lode.table.trace_tests import TRACE_TESTS
from tests.switching import INTERVENTIONS, intervention
from tests.tiny_model import NUM_LAYERS, PREPARED, RECORDS

OWNER = "tiny_qwen2_vl"
LOOKED = Looked(grouping(), 3, 0)
LATE = NeuronSet(SetKey("image", "method"), at_gate([(1, 4), (1, 17), (1, 30), (2, 5)]))
TOWER = NeuronSet(SetKey("text", "method"), {"vision_tower": unique_pairs([(0, 3), (0, 20), (0, 7)])})
SHAM = NeuronSet(SetKey("image_sham_00", "control", "image", "sham", 0), at_gate([(0, 1), (1, 4)]))
EMPTY = NeuronSet(SetKey("empty", "method"))
KEYS = [SetKey("image", "method"), *(SetKey(f"u{d}", "control", "image", "uniform", d) for d in range(2))]


def of_set(table: pa.Table, name: str, column: str, group: str | None = None) -> np.ndarray:
    """A column of one set, sample by sample, layer by layer."""
    kept = table.filter(pc.equal(table["set_name"], name))
    kept = kept if group is None else kept.filter(pc.equal(kept["group"], group))
    kept = kept.sort_by([(key, "ascending") for key in ("group", "sample_id", "layer")])
    return np.array(kept[column].cast(pa.float64()).to_numpy())


def test_nothing_changes_where_nothing_is_done(tiny: Adapter) -> None:
    """A set without neurons, and a sham: the same numbers, not nearly."""
    lens, flow = trace_batch(tiny, LOOKED, RECORDS, [CLEAN, EMPTY, SHAM], intervention(tiny, "zero"))
    for table, columns in ((lens, ("entropy", "num_tokens")), (flow, ("mass", "share", "num_tokens"))):
        for column in columns:
            clean = of_set(table, "none", column)
            for name in ("empty", "image_sham_00"):
                np.testing.assert_array_equal(of_set(table, name, column), clean)
    assert set(lens["num_neurons"].to_pylist()) == {0, 2}


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_the_last_state_says_what_ablation_measures(tiny: Adapter, name: str) -> None:
    """Content under the switch by the product's own judge: every intervention, the answer switched as the prompt is."""
    shown = [sample for sample in RECORDS if sample["media"]]
    made, donors = intervention(tiny, name), shown[::-1]
    lens, _ = trace_batch(tiny, LOOKED, shown, [CLEAN, LATE], made, donors)
    batch = prepare_batch(tiny, shown)
    switch = switches_of(tiny, shown, batch.prompts.token_kind, made, donors).of(LATE)
    found = of_set(lens, "image", "gold_logp", "last").reshape(-1, NUM_LAYERS + 1)[:, -1]
    np.testing.assert_allclose(found, judge(tiny, batch, switch).content, rtol=1e-4, atol=1e-4)
    assert not np.allclose(found, of_set(lens, "none", "gold_logp", "last").reshape(-1, NUM_LAYERS + 1)[:, -1])


def test_a_set_changes_only_what_comes_after_it(tiny: Adapter) -> None:
    """Gate of layers 1 and 2: states 0 and 1, and the attention of layers 0 and 1, stay. A tower set runs it anew."""
    lens, flow = trace_batch(tiny, LOOKED, RECORDS, [CLEAN, TOWER, LATE], intervention(tiny, "zero"))
    for table, column in ((lens, "entropy"), (flow, "mass")):
        clean, late = (of_set(table, name, column) for name in ("none", "image"))
        layer = of_set(table, "none", "layer")
        np.testing.assert_array_equal(late[layer < 2], clean[layer < 2])
        assert (late[layer == layer.max()] != clean[layer == layer.max()]).any()
    layer = of_set(lens, "none", "layer", "image")
    changed = of_set(lens, "text", "entropy", "image") != of_set(lens, "none", "entropy", "image")
    assert changed[layer == 0].all()
    text_only = [sample["sample_id"] for sample in RECORDS if not sample["media"]]
    alone = lens.filter(pc.is_in(lens["sample_id"], pa.array(text_only)))
    np.testing.assert_array_equal(of_set(alone, "text", "entropy"), of_set(alone, "none", "entropy"))


def run_stage(folder: Path, manifest: Path, *overrides: str) -> tuple[pa.Table, pa.Table]:
    """Run the stage on all records but one, which is of the other split; its two tables."""
    rows = [{**sample, "meta": "{}", "split": "mine" if at == 1 else "test"} for at, sample in enumerate(RECORDS)]
    write_table(folder / "dataset.parquet", DATASET, rows, PREPARED)
    further: dict[str, Any] = {"site": "lm_gate", "group": "image", "layer": 1, "score": 1.0, "rank": 0}
    neurons = [
        {**key._asdict(), **further, "neuron": neuron}
        for key, places in zip(KEYS, ([3, 7], [20, 9], [1, 2]), strict=True)
        for neuron in places
    ]
    write_table(folder / OWNER / "neurons.parquet", NEURONS, neurons, {})
    paths = {"dataset": "dataset", "neurons": f"{OWNER}/neurons", "set_lens_samples": "a/b/c/lens"}
    paths |= {"set_flow_samples": "a/b/c/flow"}
    given = [f"io.{name}={folder}/{file}.parquet" for name, file in paths.items()]
    given += [f"io.manifest={manifest}", "runtime.device=cpu", "dataset.name=quiz", *overrides]
    trace_sets.run(restrict(compose(given), "trace_sets", ("io", "runtime")), {"made": "here"})
    return read_table(folder / "a/b/c/lens.parquet", SET_LENS_SAMPLES), read_table(
        folder / "a/b/c/flow.parquet", SET_FLOW_SAMPLES
    )


def test_batches_change_nothing_but_rounding(tmp_path: Path, tiny_manifest: Path) -> None:
    found = []
    for size in (1, 6):
        found.append(run_stage(tmp_path / str(size), tiny_manifest, f"trace_sets.batch_size={size}"))
    for name in ("none", "image", "u0", "u1"):
        for place, columns in enumerate((("entropy", "gold_logp"), ("mass", "share"))):
            for column in columns:
                one, other = (of_set(tables[place], name, column) for tables in found)
                np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-4, err_msg=f"{name} {column}")


def test_a_run_and_what_is_compared(tmp_path: Path, tiny_manifest: Path) -> None:
    """Fewer samples, one control; then the difference from clean by hand, at every measure, group and layer."""
    lens, flow = run_stage(tmp_path, tiny_manifest, "trace_sets.max_samples=4", "trace_sets.num_controls=1")
    assert lens["set_name"].unique().to_pylist() == ["none", "image", "u0"]
    assert pc.count_distinct(lens["sample_id"]).as_py() == 4
    made = read_provenance(tmp_path / "a/b/c/lens.parquet")
    assert (made["passes_per_sample"], made["batch_size"]) == (3, 10)
    paths = {name: f"{tmp_path}/a/b/c/{file}.parquet" for name, file in
             (("set_lens_samples", "lens"), ("set_flow_samples", "flow"), ("trace_tests", "tests"))}  # fmt: skip
    given = [f"io.{name}={path}" for name, path in {**paths, "neurons": f"{tmp_path}/{OWNER}/neurons.parquet"}.items()]
    compare_traces.run(restrict(compose(given), "compare_traces", ("io",)), {})
    rows = read_table(paths["trace_tests"], TRACE_TESTS).to_pylist()
    groups, states = ("image", "last", "special", "text"), NUM_LAYERS + 1
    assert len(rows) == states * (1 + len(groups)) + 2 * NUM_LAYERS * (1 + len(groups))
    for row in rows:
        table, depth = (lens, states) if row["measure"] in ("gold_logp", "entropy") else (flow, NUM_LAYERS)
        means = [of_set(table, name, row["measure"], row["group"]).reshape(-1, depth)[:, row["layer"]].mean()
                 for name in ("none", "image", "u0")]  # fmt: skip
        assert row["clean"] == pytest.approx(means[0])
        assert row["difference"] == pytest.approx(means[1] - means[0], abs=1e-9)
        assert row["control_min"] == row["control_max"] == pytest.approx(means[2] - means[0], abs=1e-9)
        assert row["interval_low"] <= row["difference"] <= row["interval_high"]
        assert (row["verdict"], row["num_controls"], row["p_corrected"]) == ("too_few_controls", 1, None)
    assert {row["difference"] for row in rows if row["layer"] < 1} == {0.0}
