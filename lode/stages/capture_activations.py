"""Stage 2: one prefill forward a sample; keep mergeable statistics, not activations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from lode.dataset._mining import mined_samples
from lode.engine.tables import write_table
from lode.importance.miner import attention_weights, membership, plan_tokens
from lode.importance.statistics import LayerSums, Recording, Statistics, hidden_sums, layer_sums
from lode.model.adapter import Adapter
from lode.model.attention import head_mean_attention
from lode.model.batching import in_batches
from lode.model.encoding import Batch, encode
from lode.model.head import last_positions
from lode.model.loading import load
from lode.model.watching import watching
from lode.neurons import LM_GATE
from lode.table.statistics import STATISTICS


@torch.inference_mode()
def capture(
    adapter: Adapter,
    samples: Sequence[Mapping[str, Any]],
    batch_size: int,
    attention_kind: str,
    title: str = "",
    recording: Recording = Recording(),  # noqa: B008  (frozen)
) -> Statistics:
    """Statistics of all samples. Memory beyond a forward pass: the sums, those of one batch, and one layer of it."""
    statistics = Statistics(column_norms(adapter))

    def work(part: Sequence[Mapping[str, Any]]) -> None:
        capture_batch(adapter, encode(adapter, part), attention_kind, statistics, recording)

    _, statistics.batch_size = in_batches(samples, batch_size, work, title)
    return statistics


def capture_batch(
    adapter: Adapter, batch: Batch, attention_kind: str, statistics: Statistics, recording: Recording
) -> None:
    """Run one forward pass, sum up every layer as it passes by, and add the batch when it is done."""
    members = membership(batch.token_modality)
    plan = plan_tokens(members, adapter.num_neurons)
    real = batch.token_modality >= 0
    weights: dict[int, Tensor] = {}
    sums: dict[int, LayerSums] = {}

    def see_attention(layer: int, query: Tensor, key: Tensor, scaling: float, visible: Tensor) -> None:
        seen = visible if attention_kind == "causal" else real.to(query.device)[:, None, None]
        attention = head_mean_attention(query, key, scaling, seen)
        weights[layer] = attention_weights(attention, members.to(query.device).float(), attention_kind)

    def see_activations(layer: int, activations: Tensor) -> None:
        here = members.to(activations.device)
        sums[layer] = layer_sums(activations, weights.pop(layer), here, plan, recording)

    def see_hidden(layer: int, hidden: Tensor) -> None:
        sums[layer] |= hidden_sums(hidden.float(), members.to(hidden.device))

    hidden = {LM_GATE: see_hidden} if recording.hidden_site else {}
    with watching(adapter, see_attention, {LM_GATE: see_activations}, hidden), last_positions(adapter, 1):
        adapter.model(**batch.inputs, use_cache=False)
    assert not weights, "a layer had attention but no activations"
    statistics.add_batch(members, sums)


def column_norms(adapter: Adapter) -> Float64[np.ndarray, "layer neuron"]:
    """How much each neuron writes for a unit of its activation: the norms of the columns of its reader."""
    norms = (module.weight.detach().float().norm(dim=0) for module in adapter.gate.reader)
    return np.stack([of_layer.double().cpu().numpy() for of_layer in norms])


def run(cfg: Any, made_by: dict[str, Any]) -> None:
    """Capture one shard: every `shards`-th sample of the mining split."""
    samples = mined_samples(cfg.io.dataset, cfg.split, int(cfg.io.shard), cfg.capture.shards)
    adapter = load(cfg.model, cfg.io.manifest, cfg.runtime.device, cfg.runtime.threads)
    options = cfg.capture
    recording = Recording(options.normalisation, options.num_bins, options.hidden_site)
    statistics = capture(adapter, samples, options.batch_size, options.attention, cfg.dataset.name, recording)
    counts = {"num_samples": len(samples), "num_constant": statistics.num_constant}
    dead = {site.name: list(site.dead) for site in adapter.sites.values() if site.dead}
    facts = {**made_by, **counts, "batch_size": statistics.batch_size, "dead_layers": dead}
    write_table(cfg.io.statistics, STATISTICS, statistics.columns(), facts)
