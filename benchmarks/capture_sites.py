"""What it costs to capture the sites of the encoder too, beside a capture of the language model's gate alone.

    python benchmarks/capture_sites.py [--layers 2] [--tokens 300 600 1300] [--device cpu] [--repeats 7]

The sizes are those of Qwen2-VL-2B: language layers of 8,960 neurons, tower layers of 5,120, a projector of 5,120 that
joins four patches to a token; as many tower layers to a language layer as there (32 to 28, rounded), weights random.
Samples of which rows of the encoder are captured go one a batch: what that costs beside a batch is said last.
Two sides, on the same sample, a batch of one each, alternating: `lm_gate`, and `lm_gate` with `vision_tower` and
`projector`. Times are the best of the repeats and the median of the paired ratios; processor time beside them, as it
does not depend on who else is at work. Peak memory is that of a process of its own for each side.
"""

import argparse
import statistics
import subprocess
import sys
import time
from functools import partial

import torch
from capture import print_memory, timed
from layers import SIZES, build, records

from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.neurons import LM_GATE
from lode.recording import Prompts, prepare, record_batch
from lode.recording.activations import Activations, recording

MODALITY = grouping()
SITES: dict[str, list[str] | None] = {"gate": [LM_GATE], "all": None}


def captured(adapter: Adapter, prompts: Prompts, totals: Activations) -> None:
    """One sample, recorded."""
    record_batch(adapter, prompts, [totals])


def cost(device: str, work: partial[None]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    start = time.process_time()
    return timed(device, work), time.process_time() - start


def row(adapter: Adapter, prompts: Prompts, args: argparse.Namespace) -> str:
    """Measure both sides on one sample."""
    sides = [partial(captured, adapter, prompts, recording(adapter, MODALITY, sites=of)) for of in SITES.values()]
    for side in sides:
        side()  # warm up
    pairs = [[cost(args.device, side) for side in sides] for _ in range(args.repeats)]
    best = [min(wall for wall, _ in side) for side in zip(*pairs, strict=True)]
    ratios = [statistics.median(pair[1][of] / pair[0][of] for pair in pairs) for of in range(2)]
    num_tokens = int((prompts.batch.token_kind >= 0).sum(1).max())
    num_rows = int(prompts.batch.inputs["image_grid_thw"].prod(1).sum())
    return f"{num_tokens:11}{num_rows:11}{best[0]:11.3f}{best[1]:11.3f}{ratios[0]:13.3f}{ratios[1]:13.3f}"


def one_by_one(adapter: Adapter, args: argparse.Namespace) -> str:
    """What it costs that samples go one a batch with all sites, beside all of them in one batch with the gate alone."""
    samples = records([args.tokens[0]] * args.batch)
    together, alone = prepare(adapter, samples, MODALITY), [prepare(adapter, [each], MODALITY) for each in samples]
    gate, every = (recording(adapter, MODALITY, sites=of) for of in SITES.values())

    def all_sites() -> None:
        for prompts in alone:
            captured(adapter, prompts, every)

    sides = [partial(captured, adapter, together, gate), partial(all_sites)]
    pairs = [[cost(args.device, side) for side in sides] for _ in range(args.repeats + 1)][1:]  # the first warms up
    ratios = [statistics.median(pair[1][of] / pair[0][of] for pair in pairs) for of in range(2)]
    return (
        f"{args.batch} samples of {args.tokens[0]} tokens, all sites one by one, beside the gate in one batch: "
        f"{ratios[0]:.3f}, of processor time {ratios[1]:.3f}"
    )


def peak_of(args: argparse.Namespace, side: str) -> int:
    """Peak memory of one side in a process of its own [bytes]."""
    options = [f"--{name}={getattr(args, name)}" for name in ("size", "layers", "device", "dtype", "threads")]
    command = [sys.executable, __file__, *options, f"--peak={side}", "--tokens", *map(str, args.tokens)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2b", choices=sorted(SIZES), help="of language layers; the tower is the same")
    parser.add_argument("--layers", type=int, default=2, help="of the language model; 0: as many as the real model")
    parser.add_argument("--tokens", type=int, nargs="+", default=[300, 600, 1300], help="of each sample")
    parser.add_argument("--batch", type=int, default=4, help="samples of the comparison with a batch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peak", choices=tuple(SITES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    adapter = build(args.size, args.layers, args.device, args.dtype, real_tower=True)
    batches = [prepare(adapter, records([count]), MODALITY) for count in args.tokens]
    if args.peak:
        totals = recording(adapter, MODALITY, sites=SITES[args.peak])
        for prompts in batches:
            captured(adapter, prompts, totals)
        return print_memory(args.device)
    sizes = ", ".join(f"{site.name} {site.num_layers} x {site.widths[0]}" for site in adapter.sites.values())
    print(f"Qwen2-VL-{args.size} sizes ({sizes}), {args.dtype} on {args.device}")
    header = ("tokens", "patches", "gate s", "all s")
    print("".join(f"{name:>11}" for name in header) + "".join(f"{name:>13}" for name in ("ratio", "of CPU")))
    for prompts in batches:
        print(row(adapter, prompts, args), flush=True)
    print(one_by_one(adapter, args), flush=True)
    peaks = {side: peak_of(args, side) for side in SITES}
    totals = recording(adapter, MODALITY, sites=None)
    more = sum(t.nbytes for name, of in totals.sites.items() if name != LM_GATE for s in of.totals for t in s.values())
    mebibyte = 2**20
    print(
        f"peak memory: gate {peaks['gate'] / mebibyte:.0f} MiB, all {(peaks['all'] - peaks['gate']) / mebibyte:+.0f} "
        f"MiB, of which accumulators of the encoder's sites {more / mebibyte:.0f} MiB"
    )


if __name__ == "__main__":
    main()
