"""Refuse nulls that there are not, and an experiment that could not tell them from its sets."""

from collections.abc import Sequence
from typing import Any

from lode.checks.dataset import check_shards, holds_media
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


def check_shown(model: str, kinds: Sequence[str], datasets: Sequence[Any]) -> None:
    """Refuse nulls by media of a model whose mining datasets hold none.

    Args:
        model: its name.
        kinds: those of the experiment.
        datasets: the `dataset` sections that the model is mined on.

    Raises:
        UserError: under such a null every sample would be what it is, or all of them one and the same.
    """
    if not kinds or not datasets or any(map(holds_media, datasets)):
        return
    names = ", ".join(dataset.name for dataset in datasets)
    raise UserError(
        f"nulls.kinds = {list(kinds)}, and the mining datasets of {model} ({names}) hold text alone: with blank media "
        "every sample is what it is, and with one prompt all samples are one. Permuted labels and halves need no "
        "capture and stay: set nulls.kinds=[]"
    )


def check_draws(cfg: Any) -> None:
    """Refuse no draw of permuted labels."""
    check_positive("nulls.num_draws", cfg.nulls.num_draws)
