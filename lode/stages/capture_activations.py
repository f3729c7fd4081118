"""Stage 2: one prefill forward a sample; keep mergeable statistics, not activations."""

from typing import Any

from lode.config import StepConfig
from lode.dataset._mining import mined_samples
from lode.engine.tables import write_table
from lode.recording._captured import captured
from lode.recording.activations import TABLE, recording


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Capture one shard: every `shards`-th sample of the mining split."""
    samples = mined_samples(cfg.io["dataset"], cfg.split, int(cfg.io["shard"]), cfg.capture.shards)
    columns, facts = captured(cfg, samples, recording)
    write_table(cfg.io["statistics"], TABLE, columns, {**made_by, **facts})
