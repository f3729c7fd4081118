"""The memory that a job asks for follows the weights of the model that it loads."""

from pathlib import Path

import pytest

import lode.study
from lode.engine.plan import LOADED, MEMORY
from lode.study import UNKNOWN_WEIGHT, size_of_weights
from workflow.check import open_experiment

TINY = "resources/models/tiny_qwen2_vl"
SHARD = {"dataset": "toy_mmlu", "shard": "0"}


@pytest.fixture(autouse=True)
def forget() -> None:
    size_of_weights.cache_clear()


def test_weights_of_a_folder_and_of_the_cache_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = Path(TINY, "model.safetensors").stat().st_size
    assert size / 10**6 <= size_of_weights(TINY) < size / 10**6 + 1
    monkeypatch.setattr(lode.study, "HF_HUB_CACHE", str(tmp_path))
    assert size_of_weights("owner/name") == UNKNOWN_WEIGHT
    snapshot = tmp_path / "models--owner--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for part in (1, 2):
        (snapshot / f"model-{part}.safetensors").write_bytes(b"x" * 1_500_000)
    size_of_weights.cache_clear()
    assert size_of_weights("owner/name") == 3


def test_a_job_asks_for_what_its_model_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {TINY: 10, "results/scoreboard/plant_neurons/model/hidden_1": 99}
    monkeypatch.setattr(lode.study, "size_of_weights", lambda source: sizes[source])
    plan = open_experiment({"experiment": "scoreboard"}).plan

    def memory(step: str, attempt: int = 1, **wildcards: str) -> int:
        return int(plan.resources(step)["mem_mb"](wildcards, attempt))

    planted = memory("capture_activations", model="hidden_1", **SHARD)
    assert planted == MEMORY["gpu"] + LOADED * 10, "as large as the model it is made from, which is there already"
    assert memory("capture_activations", 3, model="hidden_1", **SHARD) == 3 * planted
    assert memory("plant_neurons", planting="hidden_1") == MEMORY["heavy"] + LOADED * 10
    assert memory("aggregate_importance", model="hidden_1") == MEMORY["heavy"], "it loads no model"
    assert memory("compare_selectors") == MEMORY["light"]
    assert [plan.resources(step).get("gpu") for step in ("benchmark_ablation", "score_ablation")] == [1, None]
