"""Refuse settings under which no states could be compared."""

from typing import Any

from lode.checks.names import check_name, check_positive
from lode.grouping import grouping_of


def check_compare_states(cfg: Any) -> None:
    """Refuse counts below 1, and a bank that is no part of the grouping."""
    for name in ("max_tokens", "num_permutations", "num_draws"):
        check_positive(f"compare_states.{name}", cfg.compare_states[name])
    if cfg.compare_states.bank is not None:
        parts = grouping_of(cfg.grouping).parts
        check_name("compare_states.bank", cfg.compare_states.bank, parts, "With null no phenomena are looked for.")


def check_align_states(cfg: Any) -> None:
    """Refuse a count below 1."""
    check_positive("align_states.num_permutations", cfg.align_states.num_permutations)
