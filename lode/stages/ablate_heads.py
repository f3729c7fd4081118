"""Stage 7e: what each head of attention looks at from the last token, and what the gold answer loses without it.

One pass over each sample of the `test` split with its gold answer appended tells masses and the means of outputs; then
one for every head, whose outputs for the last token and for the answer are those means: 1 + layers x heads passes over
a sample, and one of each sample whose attention is kept token by token with its media blank. The number is printed
before the first, and recorded. Encoders run once a batch of each round. Writes `heads` and `attention_maps`.

What is compared is each head with the other heads of its layer: of H of them one always loses most, so a label tells
which head, not that it is rare. Source: docs/methods.md 7.6.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor
from tqdm import tqdm

from lode.config import StepConfig
from lode.engine.tables import write_table
from lode.grouping import Grouping, grouping_of
from lode.media.altered import altered, changes
from lode.model.adapter import Adapter
from lode.model.answering import Judgement, Prepared, judge, judge_gold, prepare_batch
from lode.model.batching import in_batches
from lode.model.cutting import last_of_prompt
from lode.model.heads import num_heads, projection_of, replaced_head, seen_heads
from lode.model.loading import load
from lode.model.tested import evenly, tested_samples
from lode.model.tower import encoders_once
from lode.model.watching import watching
from lode.recording._heads import Seen, codes_of, groups_of, places_of
from lode.recording._traced import CLEAN
from lode.statistics.cuts import SMALLEST, interval
from lode.table.attention_maps import ATTENTION_MAPS
from lode.table.heads import HEADS

Row = dict[str, Any]
Sample = Mapping[str, Any]
#: The media that a map is compared with: those that show nothing, of the kind that the sample has.
BLANK = ("blank", "silence")
#: A head is of a group that it gives more than this share of its attention to.
MOST = 0.5


@torch.inference_mode()
def see_batch(adapter: Adapter, grouping: Grouping, samples: Sequence[Sample]) -> tuple[Seen, Judgement, Prepared]:
    """One pass over a batch that is not changed."""
    batch = prepare_batch(adapter, samples)
    kinds = batch.gold_tokens
    codes, count = codes_of(kinds, samples, grouping), len(groups_of(grouping))
    seen = Seen(codes, places_of(kinds), count, last_of_prompt(kinds))
    with watching(adapter, attention=seen.see_attention), seen_heads(adapter, seen.see_outputs):
        judgement = judge_gold(adapter, batch)
    return seen, judgement, batch


@torch.inference_mode()
def ablate_batch(adapter: Adapter, means: Mapping[int, Tensor], samples: Sequence[Sample]) -> list[Judgement]:
    """What is left of a batch without each head, layer by layer.

    Args:
        adapter: the model.
        means: by layer, of what W_O reads, at each place.
        samples: of the batch.
    """
    batch = prepare_batch(adapter, samples)
    heads = [(layer, head) for layer in range(adapter.num_layers) for head in range(num_heads(adapter))]

    def switch(layer: int, head: int, tokens: Tensor, rows: Sequence[int]) -> AbstractContextManager[None]:
        del rows
        return replaced_head(adapter, layer, head, places_of(tokens), means[layer])

    with encoders_once(adapter), tqdm(heads, unit="head", leave=False) as progress:
        return [judge(adapter, batch, partial(switch, *place)) for place in progress]


def map_rows(adapter: Adapter, grouping: Grouping, seen: Seen, batch: Prepared, variant: str) -> list[Row]:
    """Attention of the last token of every sample of a batch, token by token."""
    groups, tokenizer, rows = groups_of(grouping), adapter.processor.tokenizer, []
    ids = batch.with_gold["input_ids"].cpu()
    for at, sample in enumerate(batch.samples):
        places = (seen.codes[at] >= 0).nonzero()[:, 0].tolist()
        texts = tokenizer.convert_ids_to_tokens(ids[at, places].tolist())
        for layer, weights in seen.weights.items():
            rows += [
                {
                    "variant": variant,
                    "sample_id": sample["sample_id"],
                    "layer": layer,
                    "position": position,
                    "group": groups[int(seen.codes[at, place])],
                    "token": text,
                    "mass": float(weights[at, place]),
                }
                for position, (place, text) in enumerate(zip(places, texts, strict=True))
            ]
    return rows


def maps_of(adapter: Adapter, grouping: Grouping, seed: int, samples: Sequence[Sample]) -> list[Row]:
    """The maps of samples one by one, and of the same with media that show nothing."""
    rows = []
    for sample in samples:
        kinds = {medium["kind"] for medium in sample["media"]}
        nulls = [name for name in BLANK if changes(name, kinds)]
        for variant, shown in [(CLEAN, sample), *((name, altered(name, seed, sample)) for name in nulls)]:
            seen, _, batch = see_batch(adapter, grouping, [shown])
            rows += map_rows(adapter, grouping, seen, batch, variant)
    return rows


def head_rows(
    found: Float64[np.ndarray, "sample layer head group"],
    losses: Float64[np.ndarray, "outcome sample layer head"],
    clusters: np.ndarray,
    groups: Sequence[str],
) -> list[Row]:
    """The rows of all heads, of every group that any sample holds.

    Args:
        found: masses.
        losses: deltas of content and of stopping.
        clusters: of the samples.
        groups: of the last axis of `found`.
    """
    deltas, rows = losses.mean(1), []
    holds = np.any(found > 0, axis=(1, 2))  # a softmax gives some mass to every token that there is
    held = [place for place in range(len(groups)) if holds[:, place].any()]
    for layer, head in np.ndindex(found.shape[1:3]):
        others = np.delete(deltas[0, layer], head).tolist()
        low, high = interval(losses[0, :, layer, head], clusters)
        known = {
            "layer": layer,
            "head": head,
            "num_samples": len(found),
            "delta": float(deltas[0, layer, head]),
            "delta_low": low,
            "delta_high": high,
            "stopping_delta": float(deltas[1, layer, head]),
            "others_min": min(others, default=None),
            "others_max": max(others, default=None),
        }
        mass = found[:, layer, head].mean(0)
        within = {groups[place]: float(found[holds[:, place], layer, head, place].mean()) for place in held}
        known["label"] = label_of(known, within)
        for place in held:
            ends = dict(zip(("mass_low", "mass_high"), interval(found[:, layer, head, place], clusters), strict=True))
            num_holding = int(holds[:, place].sum())
            own = {"group": groups[place], "num_holding": num_holding, "mass": float(mass[place])}
            rows.append({**known, **own, **ends})
    return rows


def label_of(row: Row, mass: Mapping[str, float]) -> str:
    """The group that a head is called after, or nothing.

    Args:
        row: `delta`, `delta_high`, `others_min` of the head.
        mass: of each group, over the samples that hold it.
    """
    lost = row["delta_high"] is not None and row["delta_high"] < 0 and row["delta"] <= -SMALLEST
    if not lost or (row["others_min"] is not None and row["delta"] >= row["others_min"]):
        return ""
    return next((group for group, share in mass.items() if share > MOST), "")


def stacked(by_layer: Mapping[int, Tensor]) -> Tensor:
    """Layers of a batch as a new second axis."""
    return torch.stack([by_layer[layer] for layer in sorted(by_layer)], dim=1)


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Ablate the heads on one benchmark; write `io.heads` and `io.attention_maps`.

    Args:
        cfg: seed, model, grouping, dataset.name, heads, io.
        made_by: the provenance to record; the number of passes over a sample goes with it.

    Raises:
        UserError: the model was trained on these samples, there is none, or its attention has no `o_proj`.
    """
    samples, grouping = evenly(tested_samples(cfg), cfg.heads.max_samples), grouping_of(cfg.grouping)
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    for layer in range(adapter.num_layers):
        projection_of(adapter, layer)
    passes = 1 + adapter.num_layers * num_heads(adapter)
    print(f"{cfg.dataset.name}: {passes} passes over each of {len(samples)} samples, {passes * len(samples)} in all")

    def see(part: Sequence[Sample]) -> tuple[Seen, Judgement]:
        return see_batch(adapter, grouping, part)[:2]

    first, size = in_batches(samples, cfg.heads.batch_size, see, cfg.dataset.name)
    means = {
        layer: torch.cat([seen.outputs[layer] for seen, _ in first]).mean(0) for layer in range(adapter.num_layers)
    }
    ablated, batch_size = in_batches(samples, size, partial(ablate_batch, adapter, means), cfg.dataset.name)
    clean = np.concatenate([[judged.content, judged.stopping] for _, judged in first], axis=1)
    without = np.concatenate(
        [np.array([[each.content, each.stopping] for each in batch]).transpose(1, 2, 0) for batch in ablated], axis=1
    )
    losses = (without - clean[..., None]).reshape(2, len(samples), adapter.num_layers, -1)
    found = torch.cat([stacked(seen.masses) for seen, _ in first]).double().numpy()
    clusters = np.array([sample["cluster_id"] for sample in samples])
    record = {**made_by, "batch_size": batch_size, "passes_per_sample": passes}
    write_table(cfg.io["heads"], HEADS, head_rows(found, losses, clusters, groups_of(grouping)), record)
    maps = maps_of(adapter, grouping, cfg.seed, samples[: cfg.heads.num_maps])
    write_table(cfg.io["attention_maps"], ATTENTION_MAPS, maps, record)
