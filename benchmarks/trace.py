"""What a trace costs beyond the forward pass it needs; one run, one model.

    python benchmarks/trace.py [--size 2b] [--layers 2] [--tokens 300 600 1300] [--vocabulary 0] [--device cpu]

Sides, on the same samples one batch each, alternating: one prefill forward pass, nothing looked at; and the recordings
`lens`, `flow` and `states` in the pass over the prompts with their gold answers, as `trace_states` runs them. Times are
the best of the repeats and the median of the paired ratios. `--vocabulary` widens the language head to the real one's
(151,936), which the lens pays for: the embedded tokenizer's is small. Of a model with few layers a state more than
layers is read, so a ratio of 2 layers is larger than that of 28.
"""

import argparse
import statistics
from functools import partial
from typing import Any

import torch
from layers import build, records, timed
from torch import nn

from lode.grouping.modality import grouping
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, encode
from lode.model.head import last_positions
from lode.recording import Recording, flow, lens, record_batch, states
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


def ratio_of(adapter: Adapter, samples: list[dict[str, Any]], args: argparse.Namespace) -> tuple[float, float, float]:
    """Best times of both sides [s], and the median of the paired ratios."""
    batch, prompts = encode(adapter, samples), answered_prompts(adapter, samples, MODALITY)
    kept: list[Recording] = [
        lens.recording(adapter, MODALITY, args.tokens_per_group),
        flow.recording(adapter, MODALITY),
        states.recording(adapter, MODALITY),
    ]
    works = partial(plain, adapter, batch), partial(record_batch, adapter, prompts, kept)
    for work in works:
        work()
    pairs = [[timed(args.device, work) for work in works] for _ in range(args.repeats)]
    best = [min(side) for side in zip(*pairs, strict=True)]
    return best[0], best[1], statistics.median(other / one for one, other in pairs)


def main() -> None:
    """Print a line a length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2b", choices=["2b", "7b"])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--tokens", type=int, nargs="+", default=[300, 600, 1300])
    parser.add_argument("--tokens-per-group", type=int, default=8)
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
        one, other, ratio = ratio_of(adapter, samples, args)
        print(f"{count} tokens: plain {one:.3f} s, trace {other:.3f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
