"""What binning costs: areas from histograms of the embedded model against those of the values themselves."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float
from scipy.stats import rankdata

from lode.grouping.modality import GROUPS
from lode.model.loading import load
from lode.recording import _gate
from lode.recording._histogram import count_by_bin
from lode.selection.auroc import NEEDS, auroc
from lode.stages.download_model import run as download
from lode.stages.prepare_dataset import row
from lode.study import compose, restrict
from tests.recorded import capture

MODALITIES = tuple(GROUPS)

HELD = [MODALITIES.index(name) for name in ("text", "special", "image")]
Captured = list[tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Captured:
    """Of every layer of tiny_qwen2_vl the per-sample means that go into histograms, and which samples hold what."""
    manifest = tmp_path_factory.mktemp("model") / "manifest.json"
    cfg = compose([f"io.manifest={manifest}"])
    download(restrict(cfg, "download_model", ("io", "runtime")), {})
    adapter = load(cfg.model, str(manifest), "cpu", 1)
    rows = [
        {**made, "media": [dict(medium) for medium in made["media"]]}
        for name in ("toy_textvqa", "toy_caption", "digits_vqa", "toy_mmlu")
        for made in map(row, import_module(f"lode.dataset.{name}").samples("mine", 20, 2024))
    ]
    seen: Captured = []

    def watched(values: torch.Tensor, present: torch.Tensor, num_bins: int) -> torch.Tensor:
        seen.append((values, present))
        return count_by_bin(values, present, num_bins)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_gate, "count_by_bin", watched)
        capture(adapter, rows, len(rows), "reference", num_bins=64)
    assert len(seen) == len(adapter.gate.activation), "one batch, one histogram a layer"
    return seen


def exact(values: torch.Tensor, present: torch.Tensor) -> Float[np.ndarray, "modality neuron"]:
    """The areas of one layer, from the ranks of the values."""
    parts = [values[present[:, index], index].numpy() for index in HELD]
    ranks = np.split(rankdata(np.concatenate(parts), axis=0), np.cumsum([len(part) for part in parts])[:-1])
    total = sum(len(part) for part in parts)
    return np.stack([(r.sum(0) - len(r) * (len(r) + 1) / 2) / (len(r) * (total - len(r))) for r in ranks])


def binned(values: torch.Tensor, present: torch.Tensor, num_bins: int) -> Any:
    return auroc(count_by_bin(values, present, num_bins).numpy()[HELD])


def test_512_bins_keep_the_area_and_64_do_not(captured: Captured) -> None:
    errors = {bins: max(np.abs(binned(*layer, bins) - exact(*layer)).max() for layer in captured) for bins in (64, 512)}
    assert errors[64] > 0.1
    assert errors[512] < 0.05


@pytest.mark.parametrize("selection", ["auroc", "mutual_information", "distribution_overlap"])
def test_experiments_ask_for_512_bins(selection: str) -> None:
    needed = import_module(f"lode.selection.{selection}").NEEDS["capture.num_bins"]
    assert needed == NEEDS["capture.num_bins"] == 512
    for experiment in ("selectors", "scoreboard"):
        assert compose([f"experiment={experiment}"]).capture.num_bins == needed
