"""Neurons that are planted in an encoder or a projector: what they do on samples that nothing was designed by, and that
selectors find them there, and none where nothing was planted.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor
from transformers import AutoModelForImageTextToText

from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.engine.tables import read_table, with_nulls, write_table
from lode.grouping.domain import grouping
from lode.importance.aggregation import importance_columns
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.loading import load
from lode.model.weights import zeroed_columns
from lode.neurons import unique_pairs
from lode.planting.plant_rows import plant_rows
from lode.planting.proof import neurons_of
from lode.planting.prove_rows import prove_rows
from lode.planting.vision import with_room
from lode.recording import record
from lode.recording.activations import recording
from lode.selection import lape, mean_difference
from lode.stages import plant_neurons as stage
from lode.stages.prepare_dataset import row
from lode.stages.rate_selectors import rate
from lode.study import compose
from lode.table._dense import of_site
from lode.table.dataset import DATASET
from lode.table.importance import IMPORTANCE
from lode.table.proof import PROOF
from lode.table.statistics import STATISTICS
from lode.table.truth import TRUTH
from tests.tiny_model import RECORDS, write_manifest

NAMES = {"road": "toy_road", "scan": "toy_scan"}
SITE = "projector"
PLANTING = {"site": SITE, "groups": list(NAMES), "strength": 60, "num_pairs": 0, "num_samples": 90}
DOMAINS = grouping(domains={name: [dataset] for name, dataset in NAMES.items()})
SELECTION: Any = OmegaConf.create(
    {"sites": None, "group_split": "all", "groups": None, "ratio": 0.02, "options": {}, "plugin": ""}
)
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Planted:
    """The shipped model before and after the rule has run, what the rule says, and samples that it did not see."""

    before: Adapter
    after: Adapter
    truth: pa.Table
    proof: Rows
    mined: dict[str, Rows]
    unseen: dict[str, Rows]
    folder: Path


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("planted_sites")
    rows: dict[str, Rows] = {}
    for name in NAMES.values():
        samples = import_module(f"lode.dataset.{name}").samples
        sizes = {"mine": 130, "test": 24}
        drawn = [row(sample) for split, count in sizes.items() for sample in samples(split, count, 2024)]
        write_table(folder / f"{name}.parquet", DATASET, drawn, {})
        rows[name] = read_table(folder / f"{name}.parquet", DATASET).to_pylist()
    manifest = write_manifest(ROOT / "resources" / "models" / "tiny_qwen2_vl", folder / "manifest.json")
    io = {"manifest": str(manifest), "dataset": [str(folder / f"{name}.parquet") for name in rows]}
    io |= {"model": str(folder / "model"), **{name: str(folder / f"{name}.parquet") for name in ("truth", "proof")}}
    domains = {"plugin": "domain", "options": {"domains": {name: [dataset] for name, dataset in NAMES.items()}}}
    cfg = compose()
    sections = {"model": cfg.model, "planting": OmegaConf.merge(cfg.planting, PLANTING)}
    others = {"runtime": {"device": "cpu", "threads": 1}, "grouping": domains, "io": io}
    whole: Any = OmegaConf.create({**sections, **others})
    stage.run(whole, {})
    return Planted(
        load(cfg.model, manifest, "cpu", 1),
        load(cfg.model, write_manifest(folder / "model", folder / "planted.json"), "cpu", 1),
        read_table(folder / "truth.parquet", TRUTH),
        read_table(folder / "proof.parquet", PROOF).to_pylist(),
        {name: [entry for entry in of if entry["split"] == "mine"][:40] for name, of in rows.items()},
        {name: [entry for entry in of if entry["split"] == "test"] for name, of in rows.items()},
        folder,
    )


@contextmanager
def outputs(module: Any) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    hook = module.register_forward_hook(lambda _m, _i, output: seen.append(output))
    yield seen
    hook.remove()


@torch.inference_mode()
def logits(adapter: Adapter, rows: Rows) -> Tensor:
    return adapter.model(**encode(adapter, rows).inputs, use_cache=False).logits


def table_of(adapter: Adapter, samples: Mapping[str, Sequence[dict[str, Any]]]) -> pa.Table:
    """The importance of every site."""
    statistics = {}
    for name, rows in samples.items():
        kept = recording(adapter, DOMAINS, sites=None)
        record(adapter, rows, 1, [kept], DOMAINS)
        statistics[name] = [pa.table(with_nulls(kept.columns(), STATISTICS), schema=STATISTICS.schema)]
    return pa.table(with_nulls(importance_columns(statistics), IMPORTANCE), schema=IMPORTANCE.schema)


@pytest.fixture(scope="module")
def importance(shipped: Planted) -> pa.Table:
    return table_of(shipped.after, shipped.mined)


def precision(shipped: Planted, table: pa.Table, plugin: Any) -> dict[str, float]:
    """Average precision by group at the one site that the truth knows."""
    ratings = rate(table, shipped.truth, DOMAINS, plugin, SELECTION, 1)
    assert {(rating["site"], rating["group"]) for rating in ratings} == {(SITE, name) for name in NAMES}
    return {rating["group"]: rating["average_precision"] for rating in ratings}


# --- the copy with room -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("site", "width"), [("projector", 2 * 64), ("vision_tower", 32 + 16)])
def test_a_copy_with_room_computes_the_same(tiny: Adapter, site: str, width: int) -> None:
    room = with_room(tiny, site)
    assert room.adapter.sites[site].widths == (width,)
    assert room.num_before == tiny.sites[site].widths[0]
    torch.testing.assert_close(logits(room.adapter, RECORDS), logits(tiny, RECORDS), rtol=1e-4, atol=1e-4)


def test_what_has_no_room_is_refused(tiny: Adapter) -> None:
    with pytest.raises(UserError, match="or a site in all blocks of the picture encoder or in its projector"):
        with_room(tiny, "lm_gate")


# --- what planted neurons do ------------------------------------------------------------------------------------------


def test_planted_neurons_act_on_their_domain_and_nowhere_else(shipped: Planted) -> None:
    """By plain hooks, on pictures that the rule never saw: rows that fire, and logits bit for bit."""
    truth = shipped.truth.to_pylist()
    for name, dataset in NAMES.items():
        pairs = neurons_of(truth, "planted", name)
        assert len(pairs) == 2
        for other, rows in shipped.unseen.items():
            with outputs(shipped.after.sites[SITE].activation[0]) as seen:
                clean = logits(shipped.after, rows)
            shown = seen[0].flatten(0, -2)[:, [neuron for _, neuron in pairs]]
            with zeroed_columns(shipped.after, {SITE: unique_pairs(pairs)}):
                moved = float((logits(shipped.after, rows) - clean).abs().max())
            if other == dataset:
                assert (shown > 0).float().mean() > 0.05
                assert moved > 0.02
            else:
                assert not (shown > 0).any()
                assert moved < 1e-3


def test_without_what_was_planted_the_model_is_what_it_was(shipped: Planted) -> None:
    truth = shipped.truth.to_pylist()
    planted = [pair for name in NAMES for pair in neurons_of(truth, "planted", name)]
    for rows in shipped.unseen.values():
        before = logits(shipped.before, rows)
        assert (logits(shipped.after, rows) - before).abs().max() > 0.02
        with zeroed_columns(shipped.after, {SITE: unique_pairs(planted)}):
            torch.testing.assert_close(logits(shipped.after, rows), before, rtol=1e-3, atol=1e-3)


def test_every_layer_of_the_encoder_can_be_planted(shipped: Planted) -> None:
    """Proved on samples that nothing was designed by; a later layer reads what was planted in an earlier one."""
    site = "vision_tower"
    options = OmegaConf.merge(compose().planting, PLANTING, {"site": site, "num_planted": 1})
    samples = [entry for rows in shipped.mined.values() for entry in rows]
    after, truth = plant_rows(shipped.before, samples, DOMAINS, options)
    assert {(e["layer"], e["group"]) for e in truth if e["role"] == "planted"} == {
        (layer, name) for layer in range(3) for name in NAMES
    }
    _, proof = prove_rows(shipped.before, after, truth, site, DOMAINS, list(NAMES), shipped.unseen)
    for entry in proof:
        if entry["role"] == "planted":
            assert (entry["max_logit_change"] > 0.01) == entry["holds_group"]


def test_a_planted_model_is_an_ordinary_folder(shipped: Planted) -> None:
    model = AutoModelForImageTextToText.from_pretrained(shipped.folder / "model")
    assert shipped.after.sites[SITE].widths == (2 * shipped.before.sites[SITE].widths[0],)
    assert torch.equal(model.model.visual.merger.mlp[2].weight, shipped.after.sites[SITE].reader[0].weight)


def test_the_truth_and_the_proof_say_so(shipped: Planted) -> None:
    truth = shipped.truth.to_pylist()
    assert [entry["neuron"] for entry in truth] == list(range(shipped.after.sites[SITE].widths[0]))
    assert {entry["site"] for entry in truth} == {SITE}
    mute = [entry["neuron"] for entry in truth if entry["role"] == "specific_mute"]
    assert not shipped.after.sites[SITE].reader[0].weight[:, mute].any()
    assert [entry["neuron"] for entry in truth if not entry["acts"]] == mute
    for entry in shipped.proof:
        if entry["role"] == "planted":
            assert entry["holds_group"] == (NAMES[entry["group"]] == entry["dataset"])
            assert (entry["fires_frac"] > 0.05) == (entry["max_logit_change"] > 1e-3) == entry["holds_group"]
        if entry["role"] == "emptied":
            assert entry["max_logit_change"] < 1e-3


def test_a_wrong_truth_is_refused(shipped: Planted) -> None:
    """The proof must be able to fail: a neuron that was there, one that serves the other domain, one that is mute."""
    some = {name: rows[:4] for name, rows in shipped.unseen.items()}
    own, other = NAMES
    for of, change, match in (
        ({"role": "existing"}, {"role": "planted", "group": own}, "fires on"),
        ({"role": "planted", "group": own}, {"group": other}, "fires on"),
        ({"role": "specific_mute", "group": own}, {"role": "planted"}, "does not act"),
    ):
        truth = shipped.truth.to_pylist()
        next(entry for entry in truth if of.items() <= entry.items()).update(change)
        with pytest.raises(UserError, match=match):
            prove_rows(shipped.before, shipped.after, truth, SITE, DOMAINS, list(NAMES), some)


# --- whether selectors find them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin", [lape, mean_difference])
def test_selectors_find_them_at_their_site(shipped: Planted, importance: pa.Table, plugin: Any) -> None:
    """Chance is the share of positives, 2 of 768."""
    assert min(precision(shipped, importance, plugin).values()) > 0.3


@pytest.mark.parametrize("plugin", [lape, mean_difference])
def test_selectors_find_none_where_nothing_was_planted(shipped: Planted, plugin: Any) -> None:
    """Two controls: a copy with the same room and decoys alone, and labels dealt without regard to the domain."""
    options = OmegaConf.merge(compose().planting, PLANTING, {"num_planted": 0, "num_mute": 0})
    samples = [entry for rows in shipped.mined.values() for entry in rows]
    bare, truth = plant_rows(shipped.before, samples, DOMAINS, options)
    assert not [entry for entry in truth if entry["group"]]
    assert max(precision(shipped, table_of(bare, shipped.mined), plugin).values()) < 0.1
    first, second = NAMES.values()
    dealt = {
        name: [{**entry, "dataset": name} for entry in samples[place::2]] for place, name in enumerate((first, second))
    }
    assert max(precision(shipped, table_of(shipped.after, dealt), plugin).values()) < 0.1


def test_nothing_changes_at_the_site_before(shipped: Planted, importance: pa.Table) -> None:
    """What is planted in the projector is not named in the encoder, whose neurons are those that it had."""
    before = table_of(shipped.before, shipped.mined)
    for plugin in (lape, mean_difference):
        was, now = (
            plugin.select_neurons(of_site(table, "vision_tower"), list(NAMES), 0.02, 1)
            for table in (before, importance)
        )
        assert {name: set(map(tuple, pairs.tolist())) for name, (pairs, _) in was.items()} == {
            name: set(map(tuple, pairs.tolist())) for name, (pairs, _) in now.items()
        }
