"""Stage 7c: what the gold answer loses where attention between two groups of tokens is cut, window by window of layers.

One pass over each sample of the `test` split with its gold answer appended and nothing cut, and one for every pair,
window and draw of its controls: as many edges into the same queries, from keys by a rule that a seed and the pair draw,
the same in every sample and window. The pass with nothing cut goes through the same masks, so that no difference is
one of rounding. How many passes there are is printed before the first, and recorded. Encoders run once a batch.

A sample without edges of a pair (without media, say) has no rows of it; where no sample shows media, their pairs have
no passes. Sources that are the whole prompt have no controls. What is measured is content and stopping apart; `right`
samples are those whose greedy reply with nothing cut is the gold answer. `compare_cuts` sets them beside their
controls. Source: docs/methods.md 7.5.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from hashlib import sha256
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from tqdm import tqdm

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import write_table
from lode.grouping import Grouping, grouping_of
from lode.model.adapter import Adapter
from lode.model.answering import Judgement, Prepared, judge, prepare_batch
from lode.model.batching import in_batches
from lode.model.cutting import Edges, cut_attention, edges_between, matched_edges, no_edges, refuse_flash, tokens_of
from lode.model.loading import load
from lode.model.tested import evenly, tested_samples
from lode.model.tower import encoders_once
from lode.model.windows import Cut, cuts_of, pairs_held, windows_of
from lode.table.cut_samples import CUT_SAMPLES

Row = dict[str, Any]
Sample = Mapping[str, Any]


def planned_cuts(adapter: Adapter, cfg: StepConfig, samples: Sequence[Sample]) -> list[Cut]:
    """Every pass over a sample but the one with nothing cut."""
    media = {medium["kind"] for sample in samples for medium in sample["media"]}
    windows = windows_of(cfg.cut.windows, adapter.num_layers)
    numbers = cfg.cut.num_controls, cfg.cut.num_window_controls
    return cuts_of(pairs_held(cfg.cut.pairs, media), windows, adapter.num_layers, *numbers)


def seed_of(seed: int, dataset: str, cut: Cut) -> int:
    """Of the rule of a control in a benchmark; it depends neither on the window nor on the sample."""
    named = sha256(f"{seed}|{dataset}|{cut.source}|{cut.target}|{cut.draw}".encode()).digest()
    return int.from_bytes(named[:7], "big")


def judge_cut(adapter: Adapter, batch: Prepared, edges: Edges, layers: Sequence[int]) -> Judgement:
    """What one pass over prompts with their gold answers tells with edges cut."""

    def switch(tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
        del tokens, rows
        return cut_attention(adapter, edges, layers)

    return judge(adapter, batch, switch)


@torch.inference_mode()
def cut_batch(
    adapter: Adapter,
    grouping: Grouping,
    seed_of_cut: Callable[[Cut], int],
    cuts: Sequence[Cut],
    samples: Sequence[Sample],
) -> list[Row]:
    """The rows of one batch, one a cut and sample."""
    batch = prepare_batch(adapter, samples)
    kinds = batch.gold_tokens
    names = {name for cut in cuts for name in (cut.source, cut.target)}
    groups = {name: tokens_of(name, kinds, samples, grouping) for name in names}
    pairs = {(cut.source, cut.target): edges_between(groups[cut.source], groups[cut.target], kinds) for cut in cuts}
    rows: list[Row] = []
    with encoders_once(adapter), tqdm(total=1 + len(cuts), unit="pass", leave=False) as progress:
        clean = judge_cut(adapter, batch, no_edges(kinds), range(adapter.num_layers))
        for cut in cuts:
            own = pairs[cut.source, cut.target]
            edges = own if cut.draw < 0 else matched_edges(own, kinds, seed_of_cut(cut))
            found = judge_cut(adapter, batch, edges, cut.window.layers)
            rows += sample_rows(cut, samples, edges.num(), (edges.cut & own.cut).sum((1, 2)), clean, found)
            progress.update()
    return rows


def sample_rows(
    cut: Cut,
    samples: Sequence[Sample],
    num_edges: Int[Tensor, " batch"],
    num_shared: Int[Tensor, " batch"],
    clean: Judgement,
    found: Judgement,
) -> list[Row]:
    """Rows of one pass; none of a sample without edges."""
    said = {"source": cut.source, "target": cut.target, "window": cut.window.width, "layer": cut.window.first}
    return [
        {
            **said,
            "kind": "cut" if cut.draw < 0 else "control",
            "control_draw": cut.draw,
            "sample_id": sample["sample_id"],
            "cluster_id": sample["cluster_id"],
            "num_edges": int(num_edges[at]),
            "num_shared": int(num_shared[at]),
            "content": found.content[at],
            "clean_content": clean.content[at],
            "stopping": found.stopping[at],
            "clean_stopping": clean.stopping[at],
            "right": clean.is_greedy[at],
        }
        for at, sample in enumerate(samples)
        if num_edges[at]
    ]


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Cut the attention of one benchmark; write `io.cut_samples`.

    Args:
        cfg: seed, model, grouping, dataset.name, cut, io.
        made_by: the provenance to record; the number of passes over a sample goes with it.

    Raises:
        UserError: the model was trained on these samples, there is none, none has edges of any pair, or the attention
            takes no mask.
    """
    samples, grouping = evenly(tested_samples(cfg), cfg.cut.max_samples), grouping_of(cfg.grouping)
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    refuse_flash(adapter)
    cuts = planned_cuts(adapter, cfg, samples)
    passes = 1 + len(cuts)
    print(f"{cfg.dataset.name}: {passes} passes over each of {len(samples)} samples, {passes * len(samples)} in all")
    work = partial(cut_batch, adapter, grouping, partial(seed_of, cfg.seed, cfg.dataset.name), cuts)
    found, batch_size = in_batches(samples, cfg.cut.batch_size, work, cfg.dataset.name)
    rows = [row for batch in found for row in batch]
    if not rows:
        pairs = ", ".join(f"{source} to {target}" for source, target in cfg.cut.pairs)
        raise UserError(f"{cfg.dataset.name}: no sample has edges from {pairs}; expected other pairs: set cut.pairs")
    record = {**made_by, "batch_size": batch_size, "passes_per_sample": passes, "num_layers": adapter.num_layers}
    write_table(cfg.io["cut_samples"], CUT_SAMPLES, rows, record)
