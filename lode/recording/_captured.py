"""One recording of activations over some samples, as the steps that capture do it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lode.config import StepConfig
from lode.grouping import grouping_of
from lode.model.loading import load
from lode.recording import Recording, record


def captured(
    cfg: StepConfig, samples: Sequence[Mapping[str, Any]], recording: Callable[..., Recording]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of a table of statistics, and what is recorded of their making.

    Args:
        cfg: that of a step which captures.
        samples: rows of a dataset table, as they are shown.
        recording: of `lode/recording/activations.py`.
    """
    adapter = load(cfg.model, cfg.io["manifest"], cfg.runtime.device, cfg.runtime.threads)
    grouping, options = grouping_of(cfg.grouping), cfg.capture
    kept = recording(
        adapter,
        grouping,
        options.attention,
        options.normalisation,
        options.num_bins,
        options.hidden_site,
        options.all_normalisations,
    )
    batch_size = record(adapter, samples, options.batch_size, [kept], grouping, title=cfg.dataset.name)
    dead = {site.name: list(site.dead) for site in adapter.sites.values() if site.dead}
    facts = {"dead_layers": dead, "num_samples": len(samples), **kept.facts(), "batch_size": batch_size}
    return kept.columns(), facts
