"""What capture costs beyond the forward pass it needs, and beside a straightforward implementation; one run, one model.

    python benchmarks/capture.py [--size 2b] [--layers 2] [--tokens 300 600 1300] [--device cpu] [--repeats 5]

Sides, on the same samples one batch each, alternating:

- plain: one prefill forward pass, nothing looked at;
- capture: the recording `activations`, everything that MINER and the selectors with a contrast need;
- straightforward: one sample at a time, attention metrics as products over (token, token, neuron), the table written
  anew after every sample, and a reply of 128 tokens generated (with `--straightforward`, which takes minutes). Its
  table is compared with that of capture.

Times are the best of the repeats and the median of the paired ratios. Peak memory is that of a process of its own for
each side (CPU: resident set; GPU: allocated).
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from layers import SIZES, build, records, timed
from torch import Tensor

from lode.grouping.modality import grouping
from lode.importance import METRICS
from lode.importance.miner import minmax
from lode.model.adapter import Adapter
from lode.model.attention import Attention, head_mean_attention, observed
from lode.model.encoding import Batch
from lode.model.head import last_positions
from lode.neurons import LM_GATE
from lode.recording import Prompts, prepare, record_batch
from lode.recording.activations import Activations, recording

MODALITY = grouping()


def plain(adapter: Adapter, batch: Batch) -> None:
    """The forward pass that capture needs anyway."""
    with last_positions(adapter, 1):
        adapter.model(**batch.inputs, use_cache=False)


def captured(adapter: Adapter, prompts: Prompts, totals: Activations) -> None:
    """The same with everything kept."""
    record_batch(adapter, prompts, [totals])


def weighted_sum(weights: Tensor, own: Tensor, axis: int) -> Tensor:
    """The sum over (query, key) of weights (query, key) times activations (token, neuron) of the query or the key.

    The product over (token, token, neuron) is formed as in the reference code (METHODS 1.1); a query at a time, as the
    whole of it would take 60 GB at 1,300 tokens.
    """
    total = torch.zeros_like(own[0])
    for query, row in enumerate(weights):
        total += (row[:, None] * (own[query, None] if axis == 0 else own)).sum(0)
    return total


def straightforward_scores(activations: Tensor, attention: Tensor, members: Tensor) -> Tensor:
    """MINER's importance (modality, metric, neuron) of one layer of one sample, as one would write it down."""
    scores = torch.zeros(len(members), 5, activations.shape[-1], device=activations.device)
    for modality, inside in enumerate(members):
        if not inside.any():
            continue
        own = activations[inside].float()
        among = attention[inside][:, inside]
        by_key = weighted_sum(among.softmax(0), own, axis=0)
        by_query = weighted_sum(among.softmax(1), own, axis=1)
        rows = [(own > 0).float().mean(0), own.mean(0), own.amax(0), by_key, by_query]
        scores[modality] = minmax(torch.stack(rows))[0]
    return scores


def reply(adapter: Adapter, batch: Batch) -> None:
    """128 tokens, whatever they are."""
    adapter.model.generate(**batch.inputs, max_new_tokens=128, min_new_tokens=128)


def straightforward(adapter: Adapter, prompts: Prompts, folder: Path, seen: dict[int, list[Tensor]]) -> None:
    """The importance of one sample, added to a table that is written anew; a reply is generated."""
    members = prompts.members[0]
    attention: dict[int, Tensor] = {}
    real = (prompts.batch.token_kind >= 0)[:, None, None]

    def see(layer: int, of: Attention) -> None:
        if of.query.shape[2] > 1:
            attention[layer] = head_mean_attention(of.query, of.key, of.scaling, real)[0]

    def metrics(layer: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
            if output.shape[1] > 1:  # not of a token of the reply
                seen.setdefault(layer, []).append(straightforward_scores(output[0], attention[layer], members))

        return hook

    handles = [module.register_forward_hook(metrics(layer)) for layer, module in enumerate(adapter.gate.activation)]
    with observed(adapter, see):
        reply(adapter, prompts.batch)
    for handle in handles:
        handle.remove()
    mean = torch.stack([torch.stack(parts).mean(0) for parts in seen.values()])
    pq.write_table(pa.table({"importance": mean.flatten().cpu().numpy()}), folder / "table.parquet")


def check_equal(adapter: Adapter, prompts: Prompts, seen: dict[int, list[Tensor]]) -> None:
    """Both sides made the same table of one sample."""
    totals = recording(adapter, MODALITY)
    captured(adapter, prompts, totals)
    for layer, (scores,) in seen.items():
        sums = torch.stack([totals.sites[LM_GATE].totals[layer][f"{metric}_score_sum"] for metric in METRICS], dim=1)
        torch.testing.assert_close(sums.float(), scores, atol=1e-3, rtol=0)


def peak_of(args: argparse.Namespace, side: str) -> int:
    """Peak memory of one side in a process of its own [bytes]."""
    options = [f"--{name}={getattr(args, name)}" for name in ("size", "layers", "batch", "device", "dtype", "threads")]
    command = [sys.executable, __file__, *options, f"--peak={side}", "--tokens", *map(str, args.tokens)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def print_peak(adapter: Adapter, batches: list[Prompts], side: str, device: str) -> None:
    """Run one side over all batches and print the peak."""
    totals = recording(adapter, MODALITY)
    for prompts in batches:
        plain(adapter, prompts.batch) if side == "plain" else captured(adapter, prompts, totals)
    print_memory(device)


def print_memory(device: str) -> None:
    """Print the most memory that this process has held [bytes]: CPU, the resident set; GPU, what was allocated."""
    if device.startswith("cuda"):
        print(torch.cuda.max_memory_allocated())
    else:
        with open("/proc/self/status") as file:
            print(next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM")))


def row(adapter: Adapter, prompts: Prompts, totals: Activations, args: argparse.Namespace) -> str:
    """Measure all sides on one batch."""
    sides = (partial(plain, adapter, prompts.batch), partial(captured, adapter, prompts, totals))
    for side in sides:
        side()  # warm up
    pairs = [[timed(args.device, side) for side in sides] for _ in range(args.repeats)]
    best = [min(times) for times in zip(*pairs, strict=True)]
    ratio = statistics.median(second / first for first, second in pairs)
    num_tokens = int((prompts.batch.token_kind >= 0).sum(1).max())
    line = f"{num_tokens:11}{best[0]:11.3f}{best[1]:11.3f}{ratio:11.3f}"
    if not args.straightforward:
        return line
    one = prepare(adapter, records([num_tokens]), MODALITY)
    with tempfile.TemporaryDirectory() as folder:
        seen: dict[int, list[Tensor]] = {}
        slow = timed(args.device, partial(straightforward, adapter, one, Path(folder), seen))
    check_equal(adapter, one, seen)
    replying = timed(args.device, partial(reply, adapter, one.batch))
    return line + f"{slow:19.3f}{replying:18.3f}{slow * args.batch / best[1]:23.1f}"


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2b", choices=sorted(SIZES), help="sizes of the language layers")
    parser.add_argument("--layers", type=int, default=2, help="0: as many as the real model")
    parser.add_argument("--tokens", type=int, nargs="+", default=[300, 600, 1300], help="of each sample of a batch")
    parser.add_argument("--batch", type=int, default=1, help="samples in a batch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--straightforward", action="store_true")
    parser.add_argument("--peak", choices=("plain", "capture"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    adapter = build(args.size, args.layers, args.device, args.dtype)
    batches = [prepare(adapter, records([count] * args.batch), MODALITY) for count in args.tokens]
    if args.peak:
        return print_peak(adapter, batches, args.peak, args.device)
    totals = recording(adapter, MODALITY)
    print(f"Qwen2-VL-{args.size} layers x {adapter.num_layers}, {args.dtype} on {args.device}, batch {args.batch}")
    header = (
        "tokens",
        "plain s",
        "capture s",
        "ratio",
        "straightforward s",
        "of which reply s",
        "per sample, x capture",
    )
    print("".join(f"{name:>{max(11, len(name) + 2)}}" for name in header))
    for prompts in batches:
        print(row(adapter, prompts, totals, args), flush=True)
    peaks = {side: peak_of(args, side) for side in ("plain", "capture")}
    sums = sum(tensor.nbytes for layer in totals.sites[LM_GATE].totals for tensor in layer.values())
    over = peaks["capture"] - peaks["plain"]
    mebibyte = 2**20
    print(
        f"peak memory: plain {peaks['plain'] / mebibyte:.0f} MiB, capture {over / mebibyte:+.0f} MiB, "
        f"of which accumulators {2 * sums / mebibyte:.0f} MiB, half of them those of the batch at hand"
    )


if __name__ == "__main__":
    main()
