"""Refuse settings under which no states could be compared."""

from collections.abc import Mapping, Sequence
from typing import Any

from lode.checks.names import check_name, check_positive
from lode.engine.errors import UserError
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


def check_forms(figure: str, benchmarks: Mapping[str, Sequence[str]]) -> None:
    """Refuse a figure of contents in two forms where no model has two benchmarks that could be such.

    Args:
        figure: its name.
        benchmarks: of each model the plug-ins of its benchmarks. One plug-in makes the forms of a content, by options
            or from files: only then do ids of samples mean the same.
    """
    if not any(len(set(plugins)) < len(plugins) for plugins in benchmarks.values()):
        raise UserError(
            f"figure {figure} compares one content in two forms, and no model has two benchmarks of one dataset "
            "plug-in, such as same_content_text and same_content_image; expected two such for one model. Add them to "
            "`benchmarks`, or leave the figure out"
        )
