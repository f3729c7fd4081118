"""Refuse settings under which nothing could be traced."""

from typing import Any

from lode.checks.dataset import check_tested_data
from lode.checks.grouping import check_mixed_groups
from lode.checks.intervention import check_intervention
from lode.checks.names import check_name, check_plugin, check_positive
from lode.engine.errors import UserError
from lode.media.altered import CHANGES

#: What the weights of the language model are under the variant that shows media as they are.
PERMUTED = "permuted_weights"


def check_trace(cfg: Any) -> None:
    """Refuse counts below 1, unknown variants or one twice, and samples of training."""
    for name in ("max_samples", "batch_size", "reservoir", "tokens_per_group", "num_listed"):
        check_positive(f"trace.{name}", cfg.trace[name])
    if cfg.trace.num_grids < 0:
        raise UserError(f"trace.num_grids = {cfg.trace.num_grids}: expected a number of pictures, 0 or more")
    for variant in cfg.trace.variants:
        check_name("variant of trace.variants", variant, [*CHANGES, PERMUTED])
    if len(set(cfg.trace.variants)) < len(cfg.trace.variants):
        raise UserError(f"trace.variants: {', '.join(cfg.trace.variants)}; expected each once")
    check_tested_data(cfg)


def check_trace_sets(cfg: Any) -> None:
    """Refuse an unknown intervention, counts below 1, and samples of training."""
    check_plugin("intervention", cfg.intervention.plugin)
    check_intervention(cfg.intervention)
    check_mixed_groups(cfg)
    for name in ("max_samples", "batch_size", "tokens_per_group"):
        check_positive(f"trace_sets.{name}", cfg.trace_sets[name])
    if cfg.trace_sets.num_controls is not None:
        check_positive("trace_sets.num_controls", cfg.trace_sets.num_controls)
    check_tested_data(cfg)
