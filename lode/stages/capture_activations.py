"""Stage 2: one prefill forward a sample; keep mergeable statistics, not activations."""

from functools import partial
from typing import Any

from lode.config import StepConfig
from lode.dataset._mining import mined_samples, num_mined
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.model.loading import load
from lode.recording._blocks import by_block
from lode.recording.activations import TABLE, capture


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Capture one shard: every `shards`-th sample of the mining split."""
    samples = mined_samples(cfg.io["dataset"], cfg.split, int(cfg.io["shard"]), cfg.capture.shards)
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    count = num_mined(cfg.io["dataset"], cfg.split)
    make = partial(
        capture,
        adapter,
        grouping=grouping_of(cfg.grouping),
        options=cfg.capture,
        num_mined=count,
        title=cfg.dataset.name,
    )
    columns, facts = by_block(samples, cfg.capture.blocks, TABLE, make)
    write_table(cfg.io["statistics"], TABLE, columns, {**made_by, **facts})
