"""The stage of traces, from a table of samples to tables: every variant on the same tokens, whatever the batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, write_table
from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.model.lens import final_norm
from lode.recording._traced import answered_prompts
from lode.stages import summarise_trace, trace_states
from lode.study import compose, restrict
from lode.table.change_points import CHANGE_POINTS
from lode.table.dataset import DATASET
from lode.table.flow import FLOW
from lode.table.flow_samples import FLOW_SAMPLES
from lode.table.lens import LENS
from lode.table.lens_samples import LENS_SAMPLES
from lode.table.lens_tokens import LENS_TOKENS
from lode.table.stages import STAGES
from lode.table.states import STATES
from lode.table.vocabulary import VOCABULARY
from tests.tiny_model import NUM_LAYERS, PREPARED, RECORDS
from tests.traced import plain_pass

GROUPING = grouping()
VARIANTS = ["clean", "blank", "noise", "shuffled", "permuted_weights"]


def trace(folder: Path, manifest: Path, *overrides: str, records: Any = RECORDS) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Run the stage on all records but one, which is of the other split; lens, flow, states."""
    rows = [{"meta": "{}", **sample, "split": "mine" if at == 1 else "test"} for at, sample in enumerate(records)]
    write_table(folder / "dataset.parquet", DATASET, rows, PREPARED)
    names = ("dataset", "lens_samples", "flow_samples", "states", "lens_tokens", "vocabulary")
    given = [f"io.{name}={folder}/{name}.parquet" for name in names]
    given += [f"io.manifest={manifest}", "runtime.device=cpu", "dataset.name=quiz", *overrides]
    trace_states.run(restrict(compose(given), "trace_states", ("io", "runtime")), {"made": "here"})
    lens, flow, states = (
        read_table(folder / f"{table.name}.parquet", table) for table in (LENS_SAMPLES, FLOW_SAMPLES, STATES)
    )
    return lens, flow, states


def test_every_variant_looks_at_the_same_tokens(tmp_path: Path, tiny_manifest: Path) -> None:
    """Sounds alone are changed by `silence` and `reversed`: they are left out."""
    lens, flow, states = trace(tmp_path, tiny_manifest)
    keys = ("sample_id", "group", "layer")
    for table in (lens, flow, states):
        assert pc.unique(table["variant"]).to_pylist() == VARIANTS
        parts = [table.filter(pc.equal(table["variant"], name)).select(keys).to_pylist() for name in VARIANTS]
        assert all(part == parts[0] for part in parts[1:])
    assert read_provenance(tmp_path / "states.parquet")["batch_size"] == 10
    places = [states.filter(pc.equal(states["variant"], name))["position"].to_pylist() for name in VARIANTS]
    assert all(place == places[0] for place in places)
    clean, blank = (lens.filter(pc.equal(lens["variant"], name)) for name in ("clean", "blank"))
    text_only = [sample["sample_id"] for sample in RECORDS if not sample["media"]]
    same = pc.is_in(clean["sample_id"], pa.array(text_only))
    for name in ("entropy", "kl_final"):
        one, other = (table.filter(same)[name].to_numpy() for table in (clean, blank))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        assert not np.allclose(*(table[name].to_numpy() for table in (clean, blank)), atol=1e-3)


def test_batches_change_nothing_but_rounding(tmp_path: Path, tiny_manifest: Path) -> None:
    found = []
    for size in (1, 6):
        (tmp_path / str(size)).mkdir()
        found.append(trace(tmp_path / str(size), tiny_manifest, f"trace.batch_size={size}", "trace.variants=[noise]"))
    for name, place in (("entropy", 0), ("kl_final", 0), ("mass", 1), ("share", 1), ("norm", 2)):
        one, other = (tables[place].sort_by("sample_id")[name].to_numpy() for tables in found)
        np.testing.assert_allclose(np.sort(one), np.sort(other), rtol=2e-3, atol=2e-4, err_msg=name)


def test_samples_and_objects(tmp_path: Path, tiny_manifest: Path) -> None:
    """Fewer samples at even distances; words of objects at tokens of media, where the dataset knows them."""
    records = [{**sample, "meta": f'{{"objects": ["{"ab"[at % 2]}"]}}'} for at, sample in enumerate(RECORDS)]
    settings = ("trace.max_samples=3", "trace.variants=[]", "trace.tokens_per_group=2", "trace.reservoir=2")
    lens, _, states = trace(tmp_path, tiny_manifest, *settings, records=records)
    assert pc.count_distinct(lens["sample_id"]).as_py() == 3
    known = lens.filter(pc.is_valid(lens["object_rank"]))
    assert set(known["group"].to_pylist()) == {"image"}
    assert min(known["object_rank"].to_pylist()) >= 1
    assert max(lens["num_tokens"].to_pylist()) == 2
    counts = states.filter(pc.equal(states["layer"], 0))["group"].to_pylist()
    assert {counts.count(group) for group in counts} == {2}


def test_words_are_those_of_the_lens(tmp_path: Path, tiny_manifest: Path, tiny: Adapter) -> None:
    """Of the listed tokens of the clean samples, and of all patches of one picture under every variant."""
    settings = ("trace.variants=[blank,permuted_weights]", "trace.num_listed=3", "trace.batch_size=3")
    records = [{**sample, "meta": '{"objects": ["ab", "g"]}'} for sample in RECORDS]
    trace(tmp_path, tiny_manifest, *settings, records=records)
    table = read_table(tmp_path / "lens_tokens.parquet", LENS_TOKENS).to_pylist()
    listed = [row for row in table if row["grid_row"] is None]
    assert {row["variant"] for row in listed} == {"clean"}
    text = {(row["sample_id"], row["position"]) for row in listed if row["group"] == "text"}
    assert len(text) == len({name for name, _ in text}) == 3
    head, norm, tokenizer = tiny.model.get_output_embeddings(), final_norm(tiny), tiny.processor.tokenizer
    for sample in RECORDS:
        prompts = answered_prompts(tiny, [sample], GROUPING)
        _, seen, _ = plain_pass(tiny, prompts.batch.inputs)
        ids = prompts.batch.inputs["input_ids"][0].tolist()
        for row in (row for row in table if (row["sample_id"], row["variant"]) == (sample["sample_id"], "clean")):
            with torch.inference_mode():
                p = head(norm(seen[row["layer"]][0, row["position"]])).softmax(-1)
            np.testing.assert_allclose(row["probabilities"], p.sort(descending=True).values[:5], rtol=2e-3, atol=1e-4)
            assert row["words"][0] in {tokenizer.decode([at]) for at in (p > p.max() - 1e-3).nonzero()[:, 0].tolist()}
            assert row["token"] == tokenizer.decode([ids[row["position"]]])
            if row["group"] == "image":
                best = max(float(p[tokenizer(f" {word}")["input_ids"][0]]) for word in ("ab", "g"))
                assert row["object_rank"] == pytest.approx(1 + int((p > best * 1.0001).sum()), abs=1)
            else:
                assert row["object_rank"] is None
    patches = [row for row in table if row["grid_row"] is not None]
    assert {row["sample_id"] for row in patches} == {"a"}
    grid = [(row, column) for row in range(3) for column in range(3)]
    for variant in ("clean", "blank", "permuted_weights"):
        own = [row for row in patches if (row["variant"], row["layer"]) == (variant, 1)]
        assert [(row["grid_row"], row["grid_column"]) for row in sorted(own, key=lambda row: row["position"])] == grid
    states = read_table(tmp_path / "states.parquet", STATES)
    vocabulary = read_table(tmp_path / "vocabulary.parquet", VOCABULARY).to_pylist()
    assert {row["token_id"] for row in vocabulary} == set(states["token_id"].to_pylist()) - {-1}
    assert all(row["token"] == tokenizer.decode([row["token_id"]]) for row in vocabulary)


def test_a_benchmark_without_samples_is_refused(tmp_path: Path, tiny_manifest: Path) -> None:
    with pytest.raises(UserError, match="quiz: no sample in split 'test'"):
        trace(tmp_path, tiny_manifest, records=[])


def test_what_is_summarised(tmp_path: Path, tiny_manifest: Path) -> None:
    """Means over samples by hand, differences on the same samples, and a verdict of every group."""
    samples, _, _ = trace(tmp_path, tiny_manifest)
    files = {
        name: tmp_path / f"{name}.parquet"
        for name in ("lens_samples", "flow_samples", "lens", "flow", "stages", "change_points")
    }
    given = [f"io.{name}={path}" for name, path in files.items()]
    summarise_trace.run(restrict(compose(given), "summarise_trace", ("io",)), {"made": "here"})
    lens, flow, stages = (read_table(files[table.name], table) for table in (LENS, FLOW, STAGES))
    means = {}
    for variant in ("clean", "noise"):
        of = pc.field("variant") == variant
        cell = of & (pc.field("group") == "image") & (pc.field("layer") == 2)
        (row,) = lens.filter(cell).to_pylist()
        means[variant] = samples.filter(cell)["entropy"].to_numpy().mean()
        assert row["entropy"] == pytest.approx(means[variant])
    assert row["difference"] == pytest.approx(means["clean"] - means["noise"])
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    last = lens.filter((pc.field("group") == "last") & (pc.field("layer") == NUM_LAYERS))
    assert all(value is not None for value in last["gold_logp"].to_pylist())
    assert set(lens.filter(pc.field("group") == "text")["gold_logp"].to_pylist()) == {None}
    assert set(flow["variant"].to_pylist()) == set(VARIANTS)
    groups = {"text", "special", "image", "last"}
    said = [row["group"] for row in stages.to_pylist() if row["contrast"] == "three_stages"]
    assert sorted(said) == sorted(groups)
    assert len(stages) == len(groups) * (4 * len(VARIANTS) + 1)
    bends = read_table(files["change_points"], CHANGE_POINTS).to_pylist()
    assert {(row["variant"], row["group"]) for row in bends} == {(name, group) for name in VARIANTS for group in groups}
    assert {(row["num_states"], row["verdict"], row["first_break"]) for row in bends} == {
        (NUM_LAYERS + 1, "cannot_be_told", None)
    }
