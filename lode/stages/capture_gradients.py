"""Stage 2b: a forward and a backward pass of every mined sample; keep attributions summed up, not gradients."""

from collections.abc import Mapping, Sequence
from typing import Any

from lode.config import StepConfig
from lode.dataset._mining import mined_samples
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.model.loading import load
from lode.recording import record
from lode.recording._blocks import Made, by_block
from lode.recording.gradients import TABLE, recording


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Attribute one shard: every `shards`-th sample of the mining split."""
    samples = mined_samples(cfg.io["dataset"], cfg.split, int(cfg.io["shard"]), cfg.capture.shards)
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    grouping, options = grouping_of(cfg.grouping), cfg.gradients

    def attribute(part: Sequence[Mapping[str, Any]]) -> Made:
        kept = recording(adapter, grouping, options.alpha, options.num_steps)
        batch_size = record(adapter, part, options.batch_size, [kept], grouping, title=cfg.dataset.name)
        return kept.columns(), {"num_samples": len(part), **kept.facts(), "batch_size": batch_size}

    columns, facts = by_block(samples, cfg.capture.blocks, TABLE, attribute)
    write_table(cfg.io["gradients"], TABLE, columns, {**made_by, **facts})
