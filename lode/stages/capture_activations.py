"""Stage 2: one prefill forward a sample; keep mergeable statistics, not activations."""

from typing import Any

from lode.config import StepConfig
from lode.dataset._mining import mined_samples
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.model.loading import load
from lode.recording import record
from lode.recording.activations import TABLE, recording


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Capture one shard: every `shards`-th sample of the mining split."""
    samples = mined_samples(cfg.io["dataset"], cfg.split, int(cfg.io["shard"]), cfg.capture.shards)
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    grouping, options = grouping_of(cfg.grouping), cfg.capture
    kept = recording(adapter, grouping, options.attention, options.normalisation, options.num_bins, options.hidden_site)
    batch_size = record(adapter, samples, options.batch_size, [kept], grouping, title=cfg.dataset.name)
    dead = {site.name: list(site.dead) for site in adapter.sites.values() if site.dead}
    facts = {**made_by, "dead_layers": dead, "num_samples": len(samples), **kept.facts(), "batch_size": batch_size}
    write_table(cfg.io["statistics"], TABLE, kept.columns(), facts)
