"""What it costs to switch many neuron sets in one run, beside one run a set; and what each intervention costs.

    python benchmarks/ablation.py [--model tiny_qwen2_vl] [--dataset toy_textvqa] [--samples 100] [--sets 25]

1. One run of the stage `ablate` over the unmodified model and all sets, beside as many runs over one set each: each of
   these loads the model, prepares every sample, runs the encoders, and measures the unmodified model again. All in one
   process, so without the seconds that Python needs to start. The rows of the sets must be equal.
2. One prefill pass of one batch under each intervention, beside the plain pass: the median of paired ratios. The zero
   intervention is baked into the weights before the pass. Class means are zeros here and every sample donates to
   itself: no other values would cost more.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

from lode.engine.tables import read_table, write_table
from lode.grouping.modality import grouping
from lode.intervention import from_config
from lode.intervention._acting import switched
from lode.intervention._reference import token_means
from lode.model.encoding import encode
from lode.model.loading import load
from lode.neurons import LM_GATE, at_gate
from lode.stages import benchmark_ablation, download_model, prepare_dataset
from lode.study import STUDY, compose, restrict
from lode.table.dataset import DATASET
from lode.table.neurons import NEURONS
from lode.table.predictions import PREDICTIONS

INTERVENTIONS = sorted(path.stem for path in (STUDY.config_dir / "intervention").glob("*.yaml"))


def config(overrides: Sequence[str], step: str, **io: str) -> Any:
    """What a script would hand to its stage."""
    return restrict(compose([*overrides, *(f"io.{name}={path}" for name, path in io.items())]), step, ("io", "runtime"))


def random_sets(num_sets: int, shape: tuple[int, int], num_neurons: int) -> list[dict[str, Any]]:
    """Rows of a neurons table."""
    rng = np.random.default_rng(0)
    key: dict[str, Any] = {"kind": "method", "control_of": "", "control_kind": "", "control_draw": -1}
    key |= {"site": LM_GATE, "group": "text"}
    return [
        {**key, "set_name": f"set_{index:02}", "layer": place // shape[1], "neuron": place % shape[1]}
        | {"score": 1.0, "rank": rank}
        for index in range(num_sets)
        for rank, place in enumerate(rng.choice(shape[0] * shape[1], num_neurons, replace=False).tolist())
    ]


def run_sets(folder: Path, overrides: Sequence[str], rows: list[dict[str, Any]], name: str) -> tuple[float, Any]:
    """Seconds of the stage, and the predictions of the sets."""
    chosen = compose(overrides)
    neurons = folder / name / chosen.model.name / "random.parquet"
    output = neurons.with_suffix("") / chosen.intervention.name / chosen.dataset.name / "0.parquet"
    write_table(neurons, NEURONS, rows, {})
    paths = {"manifest": folder / "manifest.json", "dataset": folder / "dataset.parquet", "shard": 0}
    cfg = config(
        overrides,
        "benchmark_ablation",
        **{k: str(v) for k, v in paths.items()},
        neurons=str(neurons),
        predictions=str(output),
    )
    start = time.perf_counter()
    benchmark_ablation.run(cfg, {})
    seconds = time.perf_counter() - start
    table = read_table(output, PREDICTIONS).to_pylist()
    return seconds, [row for row in table if row["kind"] == "method"]


@torch.inference_mode()
def overheads(adapter: Any, samples: list[dict[str, Any]], neurons: np.ndarray, repeats: int) -> dict[str, float]:
    """Median ratio of a prefill pass under each intervention to the plain one."""
    batch = encode(adapter, samples)
    donors, _ = token_means(adapter, samples, grouping())
    class_means = {"prompt": np.zeros((2, adapter.num_layers, adapter.num_neurons))}
    found: dict[str, list[float]] = {}

    def seconds(context: Any) -> float:
        with context:
            start = time.perf_counter()
            adapter.model(**batch.inputs, use_cache=False)
            return time.perf_counter() - start

    for name in INTERVENTIONS * repeats:
        intervention = replace(
            from_config(compose([f"intervention={name}"]).intervention, grouping()), class_means=class_means
        )
        plain = seconds(nullcontext())
        under = seconds(switched(adapter, intervention, at_gate(neurons), "prompt", batch.token_kind, donors))
        found.setdefault(name, []).append(under / plain)
    return {name: statistics.median(ratios) for name, ratios in found.items()}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny_qwen2_vl")
    parser.add_argument("--dataset", default="toy_textvqa")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--sets", type=int, default=25)
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--overrides", nargs="*", default=[], help="further Hydra overrides, such as runtime.threads=2")
    args = parser.parse_args()
    overrides = [f"model={args.model}", f"dataset={args.dataset}", f"dataset.num_samples.test={args.samples}"]
    overrides += ["dataset.num_samples.mine=1", *args.overrides]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest, dataset = str(folder / "manifest.json"), str(folder / "dataset.parquet")
        download_model.run(config(overrides, "download_model", manifest=manifest), {})
        prepared = config(overrides, "prepare_dataset", dataset=dataset)
        prepare_dataset.run(prepared, {"config": OmegaConf.to_container(prepared)})
        adapter = load(compose(overrides).model, manifest, "auto", 1)
        shape = adapter.num_layers, adapter.num_neurons
        rows = random_sets(args.sets, shape, int(0.02 * shape[0] * shape[1]))
        run_sets(folder, overrides, rows[:1], "warm")
        together, of_all = run_sets(folder, overrides, rows, "together")
        names = sorted({row["set_name"] for row in rows})
        apart = [run_sets(folder, overrides, [row for row in rows if row["set_name"] == n], n) for n in names]
        alone = sum(seconds for seconds, _ in apart)
        assert of_all == [row for _, of_set in apart for row in of_set], "sets together are not the sets apart"
        print(f"{args.model} on {args.dataset}, {args.samples} samples, {args.sets} sets:")
        print(f"  one run {together:.1f} s, {args.sets} runs {alone:.1f} s, ratio {together / alone:.3f}; rows equal")
        samples = [row for row in read_table(dataset, DATASET).to_pylist() if row["split"] == "test"]
        neurons = np.array([(row["layer"], row["neuron"]) for row in rows if row["set_name"] == names[0]])
        for plugin, ratio in overheads(adapter, samples[:50], neurons, args.repeats).items():
            print(f"  forward pass under {plugin:12} {ratio:.3f} x plain")


if __name__ == "__main__":
    main()
