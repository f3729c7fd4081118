"""Refuse settings under which no shift of hidden states could be measured."""

from typing import Any

from lode.checks.dataset import check_tested_data
from lode.checks.grouping import check_mixed_groups
from lode.checks.intervention import check_intervention
from lode.checks.names import check_plugin, check_positive


def check_shift(cfg: Any) -> None:
    """Refuse an unknown intervention, no samples, no batch, fewer controls than none, and samples of training."""
    check_plugin("intervention", cfg.intervention.plugin)
    check_intervention(cfg.intervention)
    check_mixed_groups(cfg)
    check_positive("shift.max_samples", cfg.shift.max_samples)
    check_positive("shift.batch_size", cfg.shift.batch_size)
    if cfg.shift.num_controls is not None:
        check_positive("shift.num_controls", cfg.shift.num_controls)
    check_tested_data(cfg)
