"""The planting rule on the shipped weights: what it writes, and what it promises on samples that it did not see."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from omegaconf import OmegaConf
from transformers import AutoModelForImageTextToText

from lode.engine.paths import ROOT
from lode.engine.tables import read_provenance, read_table, with_nulls, write_table
from lode.grouping.modality import grouping
from lode.importance.aggregation import importance_columns
from lode.model.answering import judge_gold, prepare_batch
from lode.model.loading import load
from lode.model.weights import zeroed_columns
from lode.neurons import at_gate
from lode.planting.proof import neurons_of
from lode.selection import mean_difference, size
from lode.stages import plant_neurons as stage
from lode.stages.prepare_dataset import row
from lode.stages.rate_selectors import rate
from lode.study import compose
from lode.table.dataset import DATASET
from lode.table.importance import IMPORTANCE
from lode.table.proof import PROOF
from lode.table.statistics import STATISTICS
from lode.table.truth import TRUTH
from tests.recorded import capture
from tests.tiny_model import write_manifest

MODALITIES = ["text", "special", "image"]
RUNTIME = {"runtime": {"device": "cpu", "threads": 1}}
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Rows]]:
    """What the rule of `experiment=planted` makes of the shipped model, and report samples that it did not see."""
    from importlib import import_module

    folder = tmp_path_factory.mktemp("planted")
    unseen, datasets = {}, []
    for name in ("toy_textvqa", "toy_mmlu"):
        samples = import_module(f"lode.dataset.{name}").samples
        path = folder / f"{name}.parquet"
        rows = [row(sample) for split in ("mine", "test") for sample in samples(split, 8, 2024)]
        write_table(path, DATASET, rows, {})
        unseen[name] = [entry for entry in read_table(path, DATASET).to_pylist() if entry["split"] == "test"]
        datasets.append(str(path))
    manifest = write_manifest(ROOT / "resources" / "models" / "tiny_qwen2_vl", folder / "manifest.json")
    io = {"manifest": str(manifest), "dataset": datasets, "model": str(folder / "model")}
    io |= {name: str(folder / f"{name}.parquet") for name in ("truth", "proof")}
    planting = compose(["experiment=planted"]).planting
    cfg = OmegaConf.create({"planting": {**planting, "num_samples": 8, "paired": None}, "io": io})
    stage.run(
        OmegaConf.merge(cfg, {name: compose()[name] for name in ("model", "grouping")}, RUNTIME),
        {"config": {"planting": {"seed": 1}}},
    )
    return folder, unseen


@torch.inference_mode()
def test_shipped_weights(shipped: tuple[Path, dict[str, Rows]]) -> None:
    """On samples that the rule did not see, by the machinery of the benchmark: the image set costs answers about
    images and not a bit elsewhere.
    """
    folder, unseen = shipped
    truth = read_table(folder / "truth.parquet", TRUTH).to_pylist()
    manifest = write_manifest(folder / "model", folder / "planted.json")
    after = load(compose().model, manifest, "cpu", 1)
    before = load(compose().model, folder / "manifest.json", "cpu", 1)
    assert isinstance(AutoModelForImageTextToText.from_pretrained(folder / "model"), type(after.model))
    likelihood = {}
    for name, rows in unseen.items():
        batch = prepare_batch(after, rows)
        original = judge_gold(before, prepare_batch(before, rows)).content
        clean = judge_gold(after, batch).content
        np.testing.assert_allclose(clean, original, atol=1e-3)
        for modality in MODALITIES:
            planted_set = neurons_of(truth, "planted", modality) + neurons_of(truth, "redundant", modality)
            with zeroed_columns(after, at_gate(planted_set)):
                switched = judge_gold(after, batch).content
            likelihood[name, modality] = np.mean(switched) - np.mean(clean)
            if name == "toy_mmlu" and modality == "image":
                assert switched == clean
    assert likelihood["toy_textvqa", "image"] < -0.2
    assert max(likelihood["toy_textvqa", "text"], likelihood["toy_mmlu", "text"]) < -0.2


def test_size_alone_finds_none_of_them(shipped: tuple[Path, dict[str, Rows]]) -> None:
    """The size-only baseline of the scoreboard is at chance, on statistics by which a contrast finds them."""
    folder, _ = shipped
    manifest = write_manifest(folder / "model", folder / "planted.json")
    after, truth = load(compose().model, manifest, "cpu", 1), read_table(folder / "truth.parquet", TRUTH)
    statistics = {}
    for name in ("toy_textvqa", "toy_mmlu"):
        rows = [r for r in read_table(folder / f"{name}.parquet", DATASET).to_pylist() if r["split"] == "mine"]
        columns = capture(after, rows, 8, "reference", hidden_site=True).columns()
        statistics[name] = [pa.table(with_nulls(columns, STATISTICS), schema=STATISTICS.schema)]
    table = pa.table(with_nulls(importance_columns(statistics), IMPORTANCE), schema=IMPORTANCE.schema)
    selection = OmegaConf.create(
        {"sites": None, "group_split": "special_text_separate", "groups": MODALITIES, "ratio": 0.02, "options": {}}
    )
    for plugin, least, most in ((size, 0, 2), (mean_difference, 5, np.inf)):
        for rating in rate(table, truth, grouping(), plugin, selection, 1):
            chance = rating["num_positive"] / rating["num_neurons"]
            assert least * chance <= rating["average_precision"] <= most * chance, rating["group"]


def test_the_rule_records_what_it_did(shipped: tuple[Path, dict[str, Rows]]) -> None:
    folder, _ = shipped
    assert read_provenance(folder / "truth.parquet")["config"]["planting"]["seed"] == 1
    proof = read_table(folder / "proof.parquet", PROOF).to_pylist()
    assert {entry["role"] for entry in proof} >= {"none", "planted", "redundant_one", "redundant", "specific_mute"}
    assert (folder / "model" / "provenance.json").is_file()
