"""Cut attention and ablated heads: the slow plain way, from a table of samples to tables, whatever the batches."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from omegaconf import OmegaConf

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, write_table
from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.model.answering import generate, judge_gold, prepare_batch
from lode.model.attention import Attention, observed
from lode.model.cutting import cut_attention, edges_between, matched_edges, no_edges, tokens_of
from lode.model.encoding import encode
from lode.model.heads import head_outputs, num_heads, projection_of, replaced_head, seen_heads
from lode.model.windows import Cut, Window
from lode.stages import ablate_heads, compare_cuts
from lode.stages import cut_attention as cutting
from lode.study import compose, restrict
from lode.table.attention_maps import ATTENTION_MAPS
from lode.table.cut_samples import CUT_SAMPLES
from lode.table.cuts import CUTS
from lode.table.dataset import DATASET
from lode.table.heads import HEADS
from tests.tiny_model import NUM_LAYERS, PREPARED, RECORDS, load_tiny
from tests.traced import plain_pass
from workflow.passes import num_cuts

GROUPING = grouping()
PAIRS = "cut.pairs=[[media,last],[special,last],[media,text]]"
FEW = ("cut.num_controls=2", "cut.num_window_controls=1", PAIRS)


def run(step: str, folder: Path, manifest: Path, *overrides: str, records: Any = RECORDS) -> None:
    """Run a step of these on all records but one, which is of the other split."""
    rows = [{"meta": "{}", **sample, "split": "mine" if at == 1 else "test"} for at, sample in enumerate(records)]
    write_table(folder / "dataset.parquet", DATASET, rows, PREPARED)
    names = {
        "cut_attention": ("dataset", "cut_samples"),
        "compare_cuts": ("cut_samples", "cuts"),
        "ablate_heads": ("dataset", "heads", "attention_maps"),
    }[step]
    given = [f"io.{name}={folder}/{name}.parquet" for name in names]
    given += [f"io.manifest={manifest}"] * ("dataset" in names)
    stage = {"cut_attention": cutting, "compare_cuts": compare_cuts, "ablate_heads": ablate_heads}[step]
    cfg = compose([*given, "runtime.device=cpu", "dataset.name=quiz", *overrides])
    stage.run(restrict(cfg, step, ("io", "runtime")), {"made": "here"})


@pytest.fixture(scope="module")
def cut_samples(tmp_path_factory: pytest.TempPathFactory, tiny_manifest: Path) -> tuple[Path, pa.Table]:
    folder = tmp_path_factory.mktemp("cut_samples")
    run("cut_attention", folder, tiny_manifest, *FEW)
    return folder, read_table(folder / "cut_samples.parquet", CUT_SAMPLES)


def test_attention_is_the_slow_plain_way(tiny: Adapter) -> None:
    """Query by query in double precision: softmax over the keys that are left, values, W_O."""
    batch = prepare_batch(tiny, RECORDS[:1])
    kinds = batch.gold_tokens
    edges = edges_between(*(tokens_of(name, kinds, RECORDS[:1], GROUPING) for name in ("media", "last")), kinds)
    seen: dict[int, Attention] = {}
    with cut_attention(tiny, edges, range(NUM_LAYERS)), observed(tiny, seen.__setitem__):
        _, _, outputs = plain_pass(tiny, batch.with_gold)
    for layer, attention in seen.items():
        query, key, value = (part[0].double() for part in attention[:3])
        repeats = len(query) // len(key)
        for at in range(query.shape[1]):
            left = [k for k in range(at + 1) if not edges.cut[0, at, k]]
            mixed = []
            for head in range(len(query)):
                products = attention.scaling * key[head // repeats, left] @ query[head, at]
                mixed.append(products.softmax(0) @ value[head // repeats, left])
            expected = torch.cat(mixed) @ projection_of(tiny, layer).weight.double().T
            torch.testing.assert_close(outputs[layer][0, at].double(), expected, rtol=1e-4, atol=1e-5)


def test_eager_attention_is_cut_alike(tiny: Adapter, tiny_manifest: Path) -> None:
    """There the mask is what is added to the products; flash attention takes none of one's own."""
    batch = prepare_batch(tiny, RECORDS[:2])
    kinds = batch.gold_tokens
    edges = edges_between(*(tokens_of(name, kinds, RECORDS[:2], GROUPING) for name in ("media", "last")), kinds)
    found = []
    for adapter in (tiny, load_tiny(tiny_manifest, "model.attn_implementation=eager")):
        clean = plain_pass(adapter, batch.with_gold)[0]
        with cut_attention(adapter, edges, [0, 2]):
            found.append(plain_pass(adapter, batch.with_gold)[0])
        assert not torch.allclose(found[-1][kinds != -1], clean[kinds != -1], atol=1e-3)
        with cut_attention(adapter, no_edges(kinds), range(NUM_LAYERS)):
            kept = plain_pass(adapter, batch.with_gold)[0]
        assert torch.equal(kept[kinds != -1], clean[kinds != -1])
    torch.testing.assert_close(found[0][kinds != -1], found[1][kinds != -1], rtol=1e-4, atol=1e-4)
    flash = replace(tiny, config=OmegaConf.merge(tiny.config, {"attn_implementation": "flash_attention_2"}))
    with pytest.raises(UserError, match="attn_implementation = flash_attention_2"), cut_attention(flash, edges, [0]):
        pass


def test_replies_are_those_of_passes_without_a_cache(tiny: Adapter) -> None:
    """What is written token by token is cut as the prompt is: the same as a whole pass for every token."""
    prompts = encode(tiny, RECORDS[:2])
    kinds, samples = prompts.token_kind, RECORDS[:2]
    edges = edges_between(*(tokens_of(name, kinds, samples, GROUPING) for name in ("media", "last")), kinds)
    with torch.inference_mode(), cut_attention(tiny, edges, range(NUM_LAYERS)):
        written = tiny.model.generate(**prompts.inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)
        free = generate(tiny, prompts, 4)
    inputs = dict(prompts.inputs)
    longest = inputs["input_ids"].shape[1]
    with torch.inference_mode(), cut_attention(tiny, edges, range(NUM_LAYERS)):
        logits = tiny.model(
            input_ids=written,
            attention_mask=torch.cat([inputs["attention_mask"], torch.ones(2, 4).long()], dim=1),
            **{name: value for name, value in inputs.items() if "pixel" in name or "grid" in name},
            **({"mm_token_type_ids": torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, 4))}
               if "mm_token_type_ids" in inputs else {}),
            use_cache=False,
        ).logits.clone()  # fmt: skip
    ends = tiny.model.generation_config.eos_token_id
    banned = torch.tensor([ends] if isinstance(ends, int) else ends)
    best = logits.index_fill(-1, banned, -torch.inf)[:, longest - 1 : -1].argmax(-1)
    assert torch.equal(best, written[:, longest:])
    assert len(free) == 2


def test_rows_of_a_benchmark(cut_samples: tuple[Path, pa.Table], tiny: Adapter) -> None:
    """Of each pair 3 x 2 + 1 x 3 passes of every sample that holds edges; clean is what a benchmark says."""
    folder, table = cut_samples
    tested = [sample for at, sample in enumerate(RECORDS) if at != 1]
    shown = [sample for sample in tested if sample["media"]]
    counts = Counter((row["source"], row["target"]) for row in table.to_pylist())
    passes = NUM_LAYERS * 2 + 3
    assert counts[("media", "last")] == counts[("media", "text")] == passes * len(shown)
    assert counts[("special", "last")] == passes * len(tested)
    assert read_provenance(folder / "cut_samples.parquet")["passes_per_sample"] == 1 + 3 * passes
    with torch.inference_mode():
        judged = judge_gold(tiny, prepare_batch(tiny, tested))
    for at, sample in enumerate(tested):
        (clean,) = {
            (row["clean_content"], row["clean_stopping"], row["right"])
            for row in table.filter(pc.equal(table["sample_id"], sample["sample_id"])).to_pylist()
        }
        assert clean[:2] == pytest.approx((judged.content[at], judged.stopping[at]), abs=1e-5)
        assert clean[2] == judged.is_greedy[at]


def test_controls_have_as_many_edges_and_are_others(cut_samples: tuple[Path, pa.Table]) -> None:
    rows = cut_samples[1].to_pylist()
    own = {(r["source"], r["target"], r["window"], r["layer"], r["sample_id"]): r for r in rows if r["kind"] == "cut"}
    assert all(row["num_shared"] == row["num_edges"] > 0 for row in own.values())
    controls = [row for row in rows if row["kind"] == "control"]
    for row in controls:
        pair = own[row["source"], row["target"], row["window"], row["layer"], row["sample_id"]]
        assert row["num_edges"] == pair["num_edges"] >= row["num_shared"]
        assert row["clean_content"] == pair["clean_content"]
    assert any(row["num_shared"] < row["num_edges"] for row in controls)
    assert any(row["content"] != own[row["source"], row["target"], row["window"], row["layer"], row["sample_id"]][
        "content"] for row in controls)  # fmt: skip


def test_batches_change_nothing_but_rounding(
    tmp_path: Path, tiny_manifest: Path, cut_samples: tuple[Path, pa.Table]
) -> None:
    run("cut_attention", tmp_path, tiny_manifest, *FEW, "cut.batch_size=1")
    keys = [(name, "ascending") for name in
            ("source", "target", "window", "layer", "control_draw", "sample_id")]  # fmt: skip
    one, other = read_table(tmp_path / "cut_samples.parquet", CUT_SAMPLES).sort_by(keys), cut_samples[1].sort_by(keys)
    assert one.select([name for name, _ in keys]).equals(other.select([name for name, _ in keys]))
    assert one["num_shared"].equals(other["num_shared"]), "draws depend on the sample alone"
    for name in ("content", "clean_content", "stopping"):
        np.testing.assert_allclose(one[name].to_numpy(), other[name].to_numpy(), rtol=1e-3, atol=1e-3)


def test_what_is_compared(cut_samples: tuple[Path, pa.Table], tiny_manifest: Path) -> None:
    """Means over samples by hand, and of the widest window a corrected p of every pair that can be told."""
    folder, samples = cut_samples
    run("compare_cuts", folder, tiny_manifest)
    found = read_table(folder / "cuts.parquet", CUTS)
    cell = (pc.field("source") == "media") & (pc.field("target") == "last") & (pc.field("window") == NUM_LAYERS)
    (row,) = found.filter(cell & (pc.field("items") == "all") & (pc.field("outcome") == "content")).to_pylist()
    own = samples.filter(cell & (pc.field("kind") == "cut"))
    change = own["content"].to_numpy() - own["clean_content"].to_numpy()
    assert row["delta"] == pytest.approx(change.mean())
    assert row["relative_percent"] == pytest.approx(100 * (np.exp(change) - 1).mean())
    draws = [samples.filter(cell & (pc.field("control_draw") == draw)) for draw in (0, 1)]
    means = [(draw["content"].to_numpy() - draw["clean_content"].to_numpy()).mean() for draw in draws]
    assert row["control_min"] == pytest.approx(min(means))
    assert row["control_mean"] == pytest.approx(np.mean(means))
    assert row["p_value"] == pytest.approx((1 + sum(-mean >= -row["delta"] - 1e-9 for mean in means)) / 3)
    assert (row["p_corrected"] is None) == (row["verdict"] in ("unmatchable", "nothing_lost", "too_few_clusters"))
    narrow = found.filter(pc.field("window") == 1)
    assert set(narrow["p_corrected"].to_pylist()) == {None}


def test_controls_are_the_same_places_in_every_sample(tiny: Adapter) -> None:
    """As by the stage's own seeds: of two samples of one length the same keys, though they are in other batches."""
    twins = [{**RECORDS[0], "sample_id": name} for name in "ab"]
    batch = prepare_batch(tiny, twins)
    kinds = batch.gold_tokens
    own = edges_between(*(tokens_of(name, kinds, twins, GROUPING) for name in ("media", "last")), kinds)
    for draw in range(5):
        found = matched_edges(own, kinds, cutting.seed_of(2024, "d", Cut("media", "last", Window(1, 0), draw))).cut
        assert torch.equal(found[0], found[1])


def test_passes_are_those_announced(tmp_path: Path, tiny_manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of words alone the pairs with media have none, and `before` has no controls: they would change no number."""
    words = [sample for sample in RECORDS if not sample["media"]]
    pairs = [["media", "last"], ["special", "last"], ["before", "last"], ["image", "text"]]
    for name, records, media in (("words", words, []), ("all", RECORDS, ["image"])):
        folder = tmp_path / name
        folder.mkdir()
        run("cut_attention", folder, tiny_manifest, *FEW[:2], f"cut.pairs={pairs}".replace("'", ""), records=records)
        cfg = compose([*FEW[:2], f"cut.pairs={pairs}".replace("'", "")])
        announced = num_cuts(cfg.cut, NUM_LAYERS, media)
        assert read_provenance(folder / "cut_samples.parquet")["passes_per_sample"] == announced
        assert f"{announced} passes over each" in capsys.readouterr().out
        table = read_table(folder / "cut_samples.parquet", CUT_SAMPLES)
        made = {(r["source"], r["target"], r["window"], r["layer"], r["control_draw"]) for r in table.to_pylist()}
        assert len(made) == announced - 1, "a pass without rows is a wasted one"
        assert {row[-1] for row in made if row[0] == "before"} == {-1}


def test_of_few_samples_nothing_is_said(
    cut_samples: tuple[Path, pa.Table], tiny_manifest: Path, tmp_path: Path
) -> None:
    """Of one there is a number, but no interval, no verdict and no corrected p."""
    one = cut_samples[1].filter(pc.equal(cut_samples[1]["sample_id"], cut_samples[1]["sample_id"][0]))
    write_table(tmp_path / "cut_samples.parquet", CUT_SAMPLES, one.to_pylist(), {"num_layers": NUM_LAYERS})
    run("compare_cuts", tmp_path, tiny_manifest)
    found = read_table(tmp_path / "cuts.parquet", CUTS)
    assert set(found["verdict"].to_pylist()) == {"too_few_clusters"}
    assert set(found["interval_low"].to_pylist()) == {None} == set(found["p_corrected"].to_pylist())


def test_a_benchmark_without_such_edges_is_refused(tmp_path: Path, tiny_manifest: Path) -> None:
    records = [sample for sample in RECORDS if not sample["media"]]
    with pytest.raises(UserError, match="quiz: no sample has edges from media to last"):
        run("cut_attention", tmp_path, tiny_manifest, "cut.pairs=[[media,last]]", records=records)


# --- heads ------------------------------------------------------------------------------------------------------------


def test_a_head_replaced_by_zero_writes_nothing(tiny: Adapter) -> None:
    """The same as zero columns of W_O, bit for bit; by no place at all, as it was."""
    inputs = encode(tiny, RECORDS[:2]).inputs
    places = torch.zeros_like(inputs["input_ids"])
    weight, width = projection_of(tiny, 1).weight, projection_of(tiny, 1).in_features // num_heads(tiny)
    nothing = torch.zeros(1, weight.shape[1])
    with replaced_head(tiny, 1, 2, places, nothing):
        found = plain_pass(tiny, inputs)[0]
    with replaced_head(tiny, 1, 2, places - 1, nothing):
        kept = plain_pass(tiny, inputs)[0]
    clean = plain_pass(tiny, inputs)[0]
    before = weight.clone()
    with torch.no_grad():
        weight[:, 2 * width : 3 * width] = 0
    expected = plain_pass(tiny, inputs)[0]
    with torch.no_grad():
        weight.copy_(before)
    assert torch.equal(found, expected)
    assert torch.equal(kept, clean)
    assert not torch.equal(found, clean)


def test_a_head_by_its_own_output_is_clean(tiny: Adapter) -> None:
    """Of one sample the mean over samples is its own output: nothing is lost at the last token."""
    inputs = encode(tiny, RECORDS[:1]).inputs
    seen: dict[int, torch.Tensor] = {}
    with seen_heads(tiny, lambda layer, outputs: seen.__setitem__(layer, outputs.clone())):
        clean = plain_pass(tiny, inputs)[0]
    places = torch.full_like(inputs["input_ids"], -1)
    places[:, -1] = 0
    with replaced_head(tiny, 2, 3, places, seen[2][:, -1]):
        assert torch.equal(plain_pass(tiny, inputs)[0], clean)


def test_heads_sum_to_the_output(tiny: Adapter) -> None:
    inputs = encode(tiny, RECORDS[:2]).inputs
    seen: dict[int, torch.Tensor] = {}
    with seen_heads(tiny, lambda layer, outputs: seen.__setitem__(layer, outputs.clone())):
        _, _, outputs = plain_pass(tiny, inputs)
    for layer, expected in enumerate(outputs):
        parts = head_outputs(tiny, layer, seen[layer])
        assert parts.shape[-2] == num_heads(tiny)
        torch.testing.assert_close(parts.sum(-2), expected, rtol=1e-4, atol=1e-5)


def test_tables_of_heads(tmp_path: Path, tiny_manifest: Path, tiny: Adapter) -> None:
    """Masses of a head sum to 1; a map is the mean of the masses over heads; blank media beside it where there are."""
    run("ablate_heads", tmp_path, tiny_manifest, "heads.num_maps=2")
    heads = read_table(tmp_path / "heads.parquet", HEADS)
    maps = read_table(tmp_path / "attention_maps.parquet", ATTENTION_MAPS)
    sums = heads.group_by(["layer", "head"]).aggregate([("mass", "sum")])
    assert len(sums) == NUM_LAYERS * num_heads(tiny)
    np.testing.assert_allclose(sums["mass_sum"].to_numpy(), 1, atol=1e-5)
    assert any(abs(value) > 1e-6 for value in heads["delta"].to_pylist())
    of_tokens = maps.group_by(["variant", "sample_id", "layer"]).aggregate([("mass", "sum")])
    np.testing.assert_allclose(of_tokens["mass_sum"].to_numpy(), 1, atol=1e-5)
    by_variant = {name: maps.filter(pc.equal(maps["variant"], name)) for name in ("clean", "blank")}
    shown = [sample for sample in (RECORDS[0], RECORDS[2]) if sample["media"]]
    assert pc.count_distinct(by_variant["clean"]["sample_id"]).as_py() == 2
    assert pc.count_distinct(by_variant["blank"]["sample_id"]).as_py() == len(shown)


def test_a_label_is_of_the_samples_that_hold_its_group() -> None:
    """A head gives 0.8 to the picture of two samples; two others have none. It alone loses something."""
    found = np.zeros((4, 1, 2, 2))
    found[:2, 0, :, 0], found[..., 1] = 0.8, 0.2
    found[2:, 0, :, 1] = 1
    losses = np.zeros((2, 4, 1, 2))
    losses[0, :, 0, 1] = [-0.4, -0.5, -0.5, -0.6]
    rows = ablate_heads.head_rows(found, losses, np.array(["a", "b", "c", "d"]), ["image", "text"])
    assert [(row["head"], row["group"], row["num_holding"]) for row in rows] == [
        (head, group, count) for head in (0, 1) for group, count in (("image", 2), ("text", 4))
    ]
    assert [row["mass"] for row in rows] == pytest.approx([0.4, 0.6] * 2)
    assert [row["label"] for row in rows] == ["", "", "image", "image"]


def test_labels_by_hand() -> None:
    row = {"delta": -1.0, "delta_high": -0.2, "others_min": -0.5}
    assert ablate_heads.label_of(row, {"text": 0.3, "image": 0.6}) == "image"
    assert ablate_heads.label_of(row, {"text": 0.5, "image": 0.5}) == ""
    assert ablate_heads.label_of({"delta": -0.009, "delta_high": -0.008, "others_min": 0.0}, {"image": 0.6}) == ""
    assert ablate_heads.label_of({**row, "delta_high": 0.1}, {"image": 0.6}) == ""
    assert ablate_heads.label_of({**row, "others_min": -1.0}, {"image": 0.6}) == ""
    assert ablate_heads.label_of({**row, "others_min": None}, {"image": 0.6}) == "image"
