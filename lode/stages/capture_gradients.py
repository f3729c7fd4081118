"""Stage 2b: a forward and a backward pass of every mined sample; keep attributions summed up, not gradients."""

from typing import Any

from lode.config import StepConfig
from lode.dataset._mining import mined_samples
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.model.loading import load
from lode.recording import record
from lode.recording.gradients import TABLE, recording


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Attribute one shard: every `shards`-th sample of the mining split."""
    samples = mined_samples(cfg.io["dataset"], cfg.split, int(cfg.io["shard"]), cfg.capture.shards)
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    grouping, options = grouping_of(cfg.grouping), cfg.gradients
    kept = recording(adapter, grouping, options.alpha, options.num_steps)
    batch_size = record(adapter, samples, options.batch_size, [kept], grouping, title=cfg.dataset.name)
    facts = {**made_by, "num_samples": len(samples), **kept.facts(), "batch_size": batch_size}
    write_table(cfg.io["gradients"], TABLE, kept.columns(), facts)
