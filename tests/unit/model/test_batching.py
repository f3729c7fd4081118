"""Batches that halve when memory runs out: nothing lost, nothing twice, and what is done stays done."""

import gc
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, write_table
from lode.model import answering
from lode.model.adapter import Adapter
from lode.model.batching import in_batches
from lode.model.weights import zeroed_columns
from lode.neurons import at_gate
from lode.recording import _gate, activations, record
from lode.stages import benchmark_ablation, capture_activations
from lode.study import compose, restrict
from lode.table.dataset import DATASET
from lode.table.neurons import NEURONS
from tests.recorded import MODALITY, capture
from tests.tiny_model import PREPARED, RECORDS

SAMPLES = [{"sample_id": f"s{i}"} for i in range(10)]
CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB"


def names(part: Sequence[Any]) -> list[str]:
    return [sample["sample_id"] for sample in part]


def holds(most: int, seen: list[int], fail: Callable[[], Any]) -> Callable[[Sequence[Any]], list[str]]:
    """Work for which only `most` samples fit; notes the size of every try."""

    def work(part: Sequence[Any]) -> list[str]:
        seen.append(len(part))
        if len(part) > most:
            fail()
        return names(part)

    return work


def cuda() -> None:
    raise torch.OutOfMemoryError(CUDA)


def cublas() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def metal() -> None:
    raise RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB, other allocations: 1.25 GB)")


def cpu() -> None:
    """The real error of torch's allocator."""
    torch.empty(1 << 60, dtype=torch.uint8)


def numpy() -> None:
    """The real error of numpy's."""
    np.ones(1 << 60, dtype=np.uint8)


@pytest.mark.parametrize("fail", [cuda, cublas, metal, cpu, numpy])
def test_halved_until_it_fits(fail: Callable[[], Any]) -> None:
    """8 and 4 do not fit; 2 do, and stay. Every sample is worked on once, in order."""
    seen: list[int] = []
    results, size = in_batches(SAMPLES, 8, holds(3, seen, fail))
    assert seen == [8, 4, 2, 2, 2, 2, 2]
    assert results == [[f"s{i}", f"s{i + 1}"] for i in range(0, 10, 2)]
    assert size == 2


def test_a_late_halving_keeps_what_is_done() -> None:
    """The last batches hold a sample that is larger than the others."""
    seen: list[list[str]] = []

    def work(part: Sequence[Any]) -> list[str]:
        seen.append(names(part))
        if "s9" in names(part) and len(part) > 1:
            cuda()
        return names(part)

    results, size = in_batches(SAMPLES, 4, work)
    assert seen == [["s0", "s1", "s2", "s3"], ["s4", "s5", "s6", "s7"], ["s8", "s9"], ["s8"], ["s9"]]
    assert [name for part in results for name in part] == names(SAMPLES)
    assert size == 1


def test_enough_memory() -> None:
    seen: list[int] = []
    results, size = in_batches(SAMPLES, 4, holds(4, seen, cuda))
    assert seen == [4, 4, 2]
    assert [name for part in results for name in part] == names(SAMPLES)
    assert size == 4


def test_one_sample_that_does_not_fit() -> None:
    seen: list[int] = []
    with pytest.raises(UserError, match=r"sample s0: .*this one sample alone \(CUDA out of memory.*spread.*pixels"):
        in_batches(SAMPLES, 4, holds(0, seen, cuda))
    assert seen == [4, 2, 1]


@pytest.mark.parametrize("error", [RuntimeError("shapes do not agree"), UserError("sample s0: no image")])
def test_other_errors_are_not_touched(error: Exception) -> None:
    def work(part: Sequence[Any]) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        in_batches(SAMPLES, 4, work)
    assert caught.value is error


def test_a_failed_batch_is_let_go_before_the_next_try() -> None:
    """Its tensors would fill the memory that the smaller batch needs."""
    failed: list[weakref.ref[torch.Tensor]] = []

    def work(part: Sequence[Any]) -> None:
        assert all(reference() is None for reference in failed)
        if len(part) > 2:
            tensor = torch.ones(3)
            failed.append(weakref.ref(tensor))
            cuda()

    gc.disable()
    try:
        in_batches(SAMPLES, 8, work)
    finally:
        gc.enable()
    assert len(failed) == 2


# --- the stages -------------------------------------------------------------------------------------------------------


def fails_above(most: int, call: int, function: Any, size: Callable[..., int]) -> tuple[Any, list[int]]:
    """A function that runs out of memory at its n-th call in a batch of more than `most`; and the sizes it saw."""
    seen: list[int] = []

    def guarded(*args: Any) -> Any:
        seen.append(size(*args))
        if seen[-1] > most and len(seen) % call == 0:
            cuda()
        return function(*args)

    return guarded, seen


def test_capture_counts_a_failed_batch_once(tiny: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory runs out in the last of three layers; the sums are bit for bit those of the batches that fit."""
    expected = capture(tiny, RECORDS, 1, "reference")
    guarded, seen = fails_above(2, 3, _gate.layer_sums, lambda activations, *_: len(activations))
    monkeypatch.setattr(_gate, "layer_sums", guarded)
    captured = activations.recording(tiny, MODALITY)
    assert record(tiny, RECORDS, 7, [captured], MODALITY) == 1
    assert seen == [7] * 3 + [3] * 3 + [1] * 21
    assert captured.facts() == expected.facts()
    columns = captured.columns()
    for name, column in expected.columns().items():
        np.testing.assert_array_equal(np.asarray(columns[name]), np.asarray(column), err_msg=name)


def test_ablation_tries_a_failed_batch_again(
    tmp_path: Path, tiny: Adapter, tiny_manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory runs out while neurons are switched off; the rows are those of the batch size that fits, and weights and
    encoders are as before.
    """
    key = {"set_name": "image", "kind": "method", "control_of": "", "control_kind": "", "control_draw": -1}
    place = {"site": "lm_gate", "group": "image", "score": 1.0, "rank": 0}
    neurons = [{**key, **place, "layer": 0, "neuron": neuron} for neuron in range(30)]
    write_table(tmp_path / "tiny_qwen2_vl/neurons.parquet", NEURONS, neurons, {})
    dataset = [{**sample, "split": "test", "meta": "{}"} for sample in RECORDS]
    write_table(tmp_path / "dataset.parquet", DATASET, dataset, PREPARED)
    written: dict[str, list[dict[str, Any]]] = {}
    monkeypatch.setattr(benchmark_ablation, "load", lambda *_: tiny)
    monkeypatch.setattr(
        benchmark_ablation, "write_table", lambda path, kind, rows, made_by: written.update({str(made_by): rows})
    )

    def run(batch_size: int) -> None:
        paths = [
            "io.shard=0",
            *(f"io.{name}={tmp_path}/{name}.parquet" for name in ("predictions", "dataset")),
            f"io.neurons={tmp_path}/tiny_qwen2_vl/neurons.parquet",
        ]
        overrides = [*paths, f"io.manifest={tiny_manifest}", f"ablation.batch_size={batch_size}"]
        benchmark_ablation.run(
            restrict(compose(overrides), "benchmark_ablation", ("io", "runtime")), {"asked": batch_size}
        )

    run(3)
    weights = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    guarded, seen = fails_above(3, 2, answering.judge_gold, lambda _, batch: len(batch.samples))
    monkeypatch.setattr(answering, "judge_gold", guarded)
    run(7)
    assert seen[:2] == [7, 7]
    assert set(seen[2:]) == {3, 2, 1}  # 2 and 1 of a batch hold an image
    expected, after = written.values()
    assert list(written) == ["{'asked': 3, 'batch_size': 3}", "{'asked': 7, 'batch_size': 3}"]
    assert after == expected
    assert all(torch.equal(value, weights[name]) for name, value in tiny.model.state_dict().items())
    assert not any("forward" in vars(tower) for tower in tiny.towers.values())


def test_weights_return_when_saving_them_fails(tiny: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second layer cannot be saved (here: it has no columns); the first is as it was."""
    before = tiny.gate.reader[0].weight.clone()

    def fail() -> None:
        with zeroed_columns(tiny, at_gate([(0, 3), (1, 5)])):
            pytest.fail("the second layer has no columns")

    monkeypatch.setattr(tiny.gate.reader[1], "weight", nn.Parameter(torch.empty(0, 0), requires_grad=False))
    with pytest.raises(IndexError):
        fail()
    assert torch.equal(tiny.gate.reader[0].weight, before)


def test_captured_tables_name_their_batch_size(
    tmp_path: Path, tiny: Adapter, tiny_manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**sample, "split": "mine", "meta": "{}"} for sample in RECORDS]
    write_table(tmp_path / "dataset.parquet", DATASET, rows, {})
    monkeypatch.setattr(capture_activations, "load", lambda *_: tiny)
    paths = [f"io.dataset={tmp_path}/dataset.parquet", f"io.statistics={tmp_path}/out.parquet", "io.shard=0"]
    overrides = [*paths, f"io.manifest={tiny_manifest}", "capture.batch_size=4"]
    capture_activations.run(restrict(compose(overrides), "capture_activations", ("io", "runtime")), {})
    made_by = read_provenance(tmp_path / "out.parquet")
    assert (made_by["batch_size"], made_by["num_samples"]) == (4, 7)
