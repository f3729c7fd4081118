"""Refuse nulls that there are not, and an experiment that could not tell them from its sets."""

from typing import Any

from lode.checks.dataset import check_shards
from lode.checks.names import check_name, check_positive
from lode.engine.errors import UserError

#: What is captured anew, samples shown changed.
KINDS = ("blank", "same_prompt")


def check_null(cfg: Any) -> None:
    """Refuse an unknown kind of null, a prompt that asks nothing, and shards without samples."""
    check_positive("nulls.shards", cfg.nulls.shards)
    check_shards(cfg, "nulls", "test" if cfg.split == "paper" else "mine")
    check_name("nulls.kind", cfg.nulls.kind, KINDS)
    if cfg.nulls.kind == "same_prompt" and not (cfg.nulls.prompt or "").strip():
        raise UserError(
            f"nulls.prompt = {cfg.nulls.prompt!r}: expected the question that every sample is asked, such as 'What is "
            "this?'"
        )


def check_nulls(cfg: Any) -> None:
    """Refuse an unknown kind of null in the experiment's list, or one twice, and no draw."""
    for kind in cfg.nulls.kinds:
        check_name("null of nulls.kinds", kind, KINDS)
    if len(set(cfg.nulls.kinds)) < len(cfg.nulls.kinds):
        raise UserError(f"nulls.kinds = {list(cfg.nulls.kinds)}: expected each of {', '.join(KINDS)} at most once")
    check_draws(cfg)


def check_draws(cfg: Any) -> None:
    """Refuse no draw of permuted labels."""
    check_positive("nulls.num_draws", cfg.nulls.num_draws)
