"""Time of capturing gradients on an embedded model, beside a plain forward pass and a usual capture.

    python benchmarks/gradients.py [--model tiny_qwen2_vl] [--dataset toy_textvqa] [--samples 64] [--batch 16]
                                   [--repeats 3]

Times are the best of the repeats [ms a sample], with the encoding of samples, which is also given alone; where wall and
CPU time differ the machine was busy. Everything runs on one thread of the CPU.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from lode.engine.paths import ROOT
from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.model.batching import in_batches
from lode.model.encoding import encode
from lode.model.head import last_positions
from lode.model.loading import load
from lode.model.manifest import describe
from lode.recording import Recording, activations, gradients, record
from lode.study import compose

NUM_STEPS = 8
MODALITY = grouping()


def opened(name: str) -> Adapter:
    """An embedded model, by a manifest of the moment."""
    model = compose([f"model={name}"]).model
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.json"
        manifest.write_text(json.dumps({"folder": model.source, "files": describe(ROOT / model.source)}))
        return load(model, manifest, "cpu", 1)


@torch.inference_mode()
def forward(adapter: Adapter, samples: Sequence[Any], batch_size: int) -> None:
    """One plain pass over the prompts."""
    with last_positions(adapter, 1):
        in_batches(samples, batch_size, lambda part: adapter.model(**encode(adapter, part).inputs, use_cache=False))


def best(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Least wall time, and CPU time of that run [s]."""
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(times)


def main() -> None:
    """Print one line a kind of pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny_qwen2_vl")
    parser.add_argument("--dataset", default="toy_textvqa")
    for name, default in (("samples", 64), ("batch", 16), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    adapter = opened(given.model)
    dataset = compose([f"dataset={given.dataset}"]).dataset
    plugin = import_module(f"lode.dataset.{dataset.plugin}")
    samples = [asdict(row) for row in plugin.samples("mine", given.samples, 1, **dataset.options)]

    def kept(recording: Recording) -> object:
        return record(adapter, samples, given.batch, [recording], MODALITY)

    runs: dict[str, Callable[[], object]] = {
        "encoding alone": lambda: in_batches(samples, given.batch, partial(encode, adapter)),
        "forward": lambda: forward(adapter, samples, given.batch),
        "capture_activations": lambda: kept(activations.recording(adapter, MODALITY)),
        "capture_gradients": lambda: kept(gradients.recording(adapter, MODALITY)),
        f"... and {NUM_STEPS} steps": lambda: kept(gradients.recording(adapter, MODALITY, num_steps=NUM_STEPS)),
    }
    times = {name: best(work, given.repeats) for name, work in runs.items()}
    print(f"{adapter.num_layers} layers of {adapter.num_neurons} neurons, {len(samples)} samples of {given.dataset}")
    for name, (wall, cpu) in times.items():
        ratio = wall / times["forward"][0]
        each = 1000 / len(samples)
        print(f"{name:>20} {wall * each:8.1f} ms wall {cpu * each:8.1f} ms CPU a sample, {ratio:5.2f} forwards")


if __name__ == "__main__":
    main()
