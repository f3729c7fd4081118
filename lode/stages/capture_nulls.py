"""Stage 2c: what neurons do where samples lack what groups should differ by: captured as in `capture_activations`.

- ``blank``: every medium black or silent, as large and as long as it was; the prompts are as they were
- ``same_prompt``: every sample of every dataset with one prompt, `nulls.prompt`; the media are as they were

The same samples under the same recording, so that a set chosen from these statistics differs from the real one by what
the model was shown alone (docs/methods.md 4.19). No part of them is read by itself, so that they are cut into
`nulls.shards` of their own, one unless said otherwise. What it does not tell: what a neuron does on
media of another kind that mean nothing, such as noise; a black picture is one picture.
"""

from collections.abc import Callable, Mapping
from typing import Any

from lode.config import StepConfig
from lode.dataset._mining import mined_samples, num_mined
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.media import blanked
from lode.model.loading import load
from lode.recording.activations import capture
from lode.table.null_statistics import NULL_STATISTICS

Sample = Mapping[str, Any]


def changed_by(kind: str, prompt: str | None) -> Callable[[Sample], dict[str, Any]]:
    """How a null shows a sample.

    Args:
        kind: `blank` or `same_prompt`.
        prompt: what every sample is asked under `same_prompt`.
    """
    changes: dict[str, Callable[[Sample], dict[str, Any]]] = {
        "blank": blanked,
        "same_prompt": lambda sample: {**sample, "prompt": prompt},
    }
    return changes[kind]


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Capture one shard as `capture_activations` does, its samples changed."""
    samples = mined_samples(cfg.io["dataset"], cfg.split, int(cfg.io["shard"]), cfg.nulls.shards)
    change = changed_by(cfg.nulls.kind, cfg.nulls.prompt)
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    count = num_mined(cfg.io["dataset"], cfg.split)
    shown = list(map(change, samples))
    columns, facts = capture(adapter, shown, grouping_of(cfg.grouping), cfg.capture, count, cfg.dataset.name)
    write_table(cfg.io["null_statistics"], NULL_STATISTICS, columns, {**made_by, **facts})
