"""Refuse an intervention that there is not, what it could not work with, and shards or replies of no size."""

from typing import Any

from lode.checks.dataset import check_shards, check_tested_data
from lode.checks.grouping import check_mixed_groups
from lode.checks.intervention import check_intervention
from lode.checks.names import check_plugin, check_positive


def check_ablation(cfg: Any) -> None:
    """Refuse an unknown intervention, what it could not work with, empty shards, batches and replies of no size."""
    check_plugin("intervention", cfg.intervention.plugin)
    check_intervention(cfg.intervention)
    check_mixed_groups(cfg)
    check_positive("ablation.batch_size", cfg.ablation.batch_size)
    check_positive("ablation.shards", cfg.ablation.shards)
    check_shards(cfg, "ablation", "test")
    check_tested_data(cfg)
    check_positive("dataset.max_new_tokens", cfg.dataset.max_new_tokens)
