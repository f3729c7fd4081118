"""Stage 1c: a model in which the purpose of some neurons is known, because they were put there.

Reads: a model, and the mining split of datasets. Writes: a Hugging Face folder, the role of every neuron of it, and
the measurements that prove the roles. Nothing is written unless all of them hold.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from lode.config import StepConfig
from lode.engine.tables import read_table, write_table
from lode.grouping import grouping_of
from lode.model.loading import load
from lode.model.training_data import write_training_data
from lode.planting.at_site import plant_at_site
from lode.table.dataset import DATASET
from lode.table.proof import PROOF
from lode.table.truth import TRUTH


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Plant neurons in the model of `io.manifest`, measured on `io.dataset`."""
    samples = {}
    for path in cfg.io["dataset"]:
        rows = read_table(path, DATASET).to_pylist()
        samples[Path(path).stem] = [row for row in rows if row["split"] == "mine"]
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    planted, truth, proof = plant_at_site(adapter, samples, grouping_of(cfg.grouping), cfg.planting)
    trained_on = json.loads(Path(cfg.io["manifest"]).read_text())["trained_on"]
    write_folder(planted, Path(cfg.io["model"]), made_by, trained_on)
    write_table(cfg.io["proof"], PROOF, proof, made_by)
    write_table(cfg.io["truth"], TRUTH, truth, made_by)


def write_folder(adapter: Any, folder: Path, made_by: dict[str, Any], trained_on: dict[str, Any] | None) -> None:
    """Weights, config and processor as an ordinary model folder, with its provenance and what the model was trained on.

    Planting trains nothing: it saw what the model saw in which neurons were planted.
    """
    shutil.rmtree(folder, ignore_errors=True)
    adapter.model.save_pretrained(folder)
    adapter.processor.save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)
    if trained_on:
        write_training_data(folder, trained_on["split_seed"], set(trained_on["datasets"]))
    (folder / "provenance.json").write_text(json.dumps(made_by, indent=1, sort_keys=True) + "\n")
