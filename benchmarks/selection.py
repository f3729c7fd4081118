"""Time and memory of every selector on a model of the size of Qwen2-VL-7B, beside MINER's LA_MU in the same run.

    python benchmarks/selection.py [--layers 28] [--neurons 18944] [--bins 64] [--repeats 3]

Each selector runs in a process of its own on the same made-up importance table of five modalities, so that peak memory
is its own. Times are the best of the repeats, scores and choice from the table in memory; where wall and CPU time
differ the machine was busy. `peak` is what the process maps beyond its start, so columns of the table that it reads
count. LA_MU comes first and last.
"""

import argparse
import multiprocessing
import resource
import time
from importlib import import_module
from multiprocessing.connection import Connection

import numpy as np
import pyarrow as pa

from lode.grouping.modality import SPLITS
from lode.importance import METRICS
from lode.study import STUDY, compose
from lode.table._dense import list_column, neuron_columns
from lode.table.gradients import GRADIENTS
from lode.table.importance import IMPORTANCE

MODALITIES = SPLITS["special_text_separate"]
#: Those of the table: `size` reads the whole prompt.
HELD = (*MODALITIES, "prompt")
NUM_SAMPLES = 400


def made_up(num_layers: int, num_neurons: int, num_bins: int) -> pa.Table:
    """An importance table with every optional column: random, but with sums that belong together."""
    rng = np.random.default_rng(0)
    columns = neuron_columns(HELD, num_layers, num_neurons)
    size = len(columns["layer"])
    for metric in METRICS:
        columns[metric] = rng.random(size)
        mean = rng.normal(size=size)
        columns[f"{metric}_sum"] = NUM_SAMPLES * mean
        columns[f"{metric}_sumsq"] = NUM_SAMPLES * (mean**2 + rng.random(size))
    mean = rng.random(size)
    columns |= {"abs_mean_sum": NUM_SAMPLES * mean, "abs_mean_sumsq": NUM_SAMPLES * (mean**2 + rng.random(size))}
    columns |= {"num_samples": np.full(size, NUM_SAMPLES), "num_tokens": np.full(size, 100 * NUM_SAMPLES)}
    columns |= {"positive_count": rng.integers(0, 100 * NUM_SAMPLES, size)}
    columns |= {"hidden_abs_sum": rng.random(size), "down_norm": rng.random(size)}
    places = (num_bins / 2 + 3 * rng.normal(size=(size, 1)) + 3 * rng.normal(size=NUM_SAMPLES // 8)).astype(np.int64)
    counts = np.zeros((size, num_bins), dtype=np.int32)
    np.add.at(counts, (np.arange(size)[:, None], np.clip(places, 0, num_bins - 1)), 8)
    columns["histogram"] = list_column(counts.reshape(len(HELD), num_layers, num_neurons, num_bins))
    gradients = list(GRADIENTS.schema)[7:]
    columns |= {field.name: rng.random(size) for field in gradients}
    schema = pa.schema([*IMPORTANCE.schema, *gradients])
    absent = {name: pa.nulls(size, schema.field(name).type) for name in schema.names if name not in columns}
    return pa.table({**columns, **absent}, schema=schema)


def current_bytes() -> int:
    """The memory that this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def measure(name: str, table: pa.Table, repeats: int, result: Connection) -> None:
    """Run one selector in this process; send its best times, its memory, and the sizes of its sets."""
    selection = compose([f"selection={name}"]).selection
    select = import_module(f"lode.selection.{selection.plugin}").select_neurons
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the parent's peak is not ours
    before, times = current_bytes(), []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        sets = select(table, list(MODALITIES), selection.ratio, 0, **selection.options)
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    with open("/proc/self/status") as file:
        peak = next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    wall, cpu = map(min, zip(*times, strict=True))
    result.send((wall, cpu, peak - before, [len(pairs) for pairs, _ in sets.values()]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option, default in (("layers", 28), ("neurons", 18944), ("bins", 64), ("repeats", 3)):
        parser.add_argument(f"--{option}", type=int, default=default)
    args = parser.parse_args()
    table = made_up(args.layers, args.neurons, args.bins)
    shape = f"{len(MODALITIES)} modalities x {args.layers} x {args.neurons}"
    print(f"{shape}, {args.bins} bins, a table of {table.nbytes / 2**30:.2f} GiB")
    print(f"{'selection':22}{'wall s':>8}{'CPU s':>8}{'peak GiB':>10}  neurons in the sets")
    others = sorted({path.stem for path in (STUDY.config_dir / "selection").glob("*.yaml")} - {"miner"})
    context = multiprocessing.get_context("fork")  # the table is shared, not copied
    for name in ("miner", *others, "miner"):
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=measure, args=(name, table, args.repeats, sending))
        process.start()
        wall, cpu, memory, sizes = receiving.recv()
        process.join()
        print(f"{name:22}{wall:8.2f}{cpu:8.2f}{memory / 2**30:10.2f}  {sizes}", flush=True)


if __name__ == "__main__":
    main()
