"""What a trace costs beyond the forward pass it needs, in time and memory; one run, one model.

    python benchmarks/trace.py [--size 2b] [--layers 2] [--tokens 300 600 1300] [--vocabulary 0] [--device cpu]

Sides, on the same samples one batch each, alternating: one prefill forward pass, nothing looked at; and in the pass
over the prompts with their gold answers each recording alone, `lens`, `flow` and `states` together, as `trace_states`
runs them on variants and under sets, and all with `words`, as on clean samples. Times are the best of the repeats (on a
CPU those of the process, so that other processes disturb them little), ratios the median of the paired ones, memory the
most that this process has held after each side, without what it held before. `--vocabulary` widens the language head to
the real one's (151,936), which the lens pays for: the embedded tokenizer's is small. Of a model with few layers a state
more than layers is read, so a ratio of 2 layers is larger than that of 28.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from layers import SIZES, build, records, timed
from torch import nn

from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, encode
from lode.model.head import last_positions
from lode.recording import Recording, flow, lens, record_batch, states, words
from lode.recording._traced import answered_prompts

MODALITY = grouping()


def plain(adapter: Adapter, batch: Batch) -> None:
    """The forward pass that a trace needs anyway."""
    with torch.inference_mode(), last_positions(adapter, 1):
        adapter.model(**batch.inputs, use_cache=False)


def widen(adapter: Adapter, size: int) -> None:
    """Give the model a language head of so many tokens."""
    head: Any = adapter.model.get_output_embeddings()
    wide = nn.Linear(head.in_features, size, bias=False, device=head.weight.device, dtype=head.weight.dtype)
    adapter.model.set_output_embeddings(wide.requires_grad_(False))


def sides_of(
    adapter: Adapter, samples: list[dict[str, Any]], tokens_per_group: int, per_sample: int
) -> dict[str, Callable[[], None]]:
    """What is timed, by name; the first is the plain pass."""
    batch, prompts = encode(adapter, samples), answered_prompts(adapter, samples, MODALITY)
    kept: dict[str, Recording] = {
        "lens": lens.recording(adapter, MODALITY, tokens_per_group),
        "flow": flow.recording(adapter, MODALITY),
        "states": states.recording(adapter, MODALITY),
        "words": words.recording(adapter, MODALITY, per_sample),
    }
    alone = {name: partial(record_batch, adapter, prompts, [one]) for name, one in kept.items()}
    wordless = [one for name, one in kept.items() if name != "words"]
    together = {
        "without words": partial(record_batch, adapter, prompts, wordless),
        "all": partial(record_batch, adapter, prompts, list(kept.values())),
    }
    return {"plain": partial(plain, adapter, batch), **alone, **together}


def held(device: str) -> float:
    """The most memory that was held so far [GB]."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kilobytes, on Linux


def spent(device: str, work: Callable[[], None]) -> float:
    """What a side takes [s]: on a CPU its time of all threads, which other processes disturb less than the clock."""
    if device != "cpu":
        return timed(device, work)
    start = time.process_time()
    work()
    return time.process_time() - start


def measured(adapter: Adapter, samples: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """Best times [s], median ratios to the plain pass, and what memory each side took beyond those before it [GB]."""
    sides = sides_of(adapter, samples, args.tokens_per_group, args.per_sample)
    before, memory = held(args.device), {}
    for name, work in sides.items():
        work()
        memory[name] = held(args.device) - before
    rounds = [{name: spent(args.device, work) for name, work in sides.items()} for _ in range(args.repeats)]
    found = [f"plain {min(each['plain'] for each in rounds):.3f} s, {memory['plain']:.2f} GB"]
    for name in list(sides)[1:]:
        ratio = statistics.median(each[name] / each["plain"] for each in rounds)
        found.append(f"{name} {min(each[name] for each in rounds):.3f} s, ratio {ratio:.2f}, {memory[name]:.2f} GB")
    return "; ".join(found)


def main() -> None:
    """Print a line a length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2b", choices=sorted(SIZES))
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--tokens", type=int, nargs="+", default=[300, 600, 1300])
    parser.add_argument("--tokens-per-group", type=int, default=4)
    parser.add_argument("--per-sample", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    adapter = build(args.size, args.layers, args.device, args.dtype)
    if args.vocabulary:
        widen(adapter, args.vocabulary)
    print(f"Qwen2-VL {args.size}, {adapter.num_layers} layers, {args.dtype} on {args.device}")
    for count in args.tokens:
        samples = [{**sample, "answers": ["a red cross"]} for sample in records([count] * args.batch)]
        print(f"{count} tokens: {measured(adapter, samples, args)}")


if __name__ == "__main__":
    main()
