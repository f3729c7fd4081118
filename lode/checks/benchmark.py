"""Refuse scores that a benchmark cannot have, and a comparison of none."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from lode.checks.names import check_name, check_plugin, known_plugins
from lode.engine.errors import UserError
from lode.grouping import grouping_of


def check_scores(cfg: Any) -> None:
    """Refuse an unknown score, none, or a headline that falls where only the end of a reply is lost."""
    if not cfg.dataset.scores:
        raise UserError(
            f"dataset {cfg.dataset.name}: no score; list at least one of {', '.join(known_plugins('scoring'))}"
        )
    for name in cfg.dataset.scores:
        check_plugin("scoring", name)
    if sees_stopping(cfg.dataset.scores[0]):
        blind = (name for name in known_plugins("scoring") if not sees_stopping(name))
        raise UserError(
            f"dataset {cfg.dataset.name}: the first score is the headline, and what follows the answer changes "
            f"{cfg.dataset.scores[0]!r}; put one of {', '.join(sorted(blind))} before it"
        )


def sees_stopping(name: str) -> bool:
    """Whether what follows the answer can change a score."""
    return bool(import_module(f"lode.scoring.{name}").SEES_STOPPING)


def check_strata(cfg: Any) -> None:
    """Refuse a key or a score that is named twice, and a score that reads no reply as a choice."""
    for what in ("strata", "classes"):
        names = list(cfg.dataset[what])
        if len(set(names)) < len(names):
            raise UserError(f"dataset.{what} of {cfg.dataset.name}: {names}; expected each name once")
    check_meta(cfg, "strata", cfg.dataset.strata)
    reading = [name for name in known_plugins("scoring") if "said" in vars(import_module(f"lode.scoring.{name}"))]
    for name in cfg.dataset.classes:
        check_name(f"score that reads replies as choices (dataset.classes of {cfg.dataset.name})", name, reading)


def check_meta(cfg: Any, what: str, keys: Iterable[str]) -> None:
    """Refuse a key that the dataset's `meta` has not, where the plug-in says which it has (`META`)."""
    known = getattr(import_module(f"lode.dataset.{cfg.dataset.plugin}"), "META", None)
    for name in (name for key in keys for name in key.split("+")) if known is not None else ():
        check_name(f"key of `meta` (dataset.{what} of {cfg.dataset.name})", name, known)


def check_contrasts(cfg: Any) -> None:
    """Refuse a contrast of a value with itself, or within the key that it divides by."""
    for name, contrast in cfg.dataset.contrasts.items():
        what = f"dataset.contrasts.{name} of {cfg.dataset.name}"
        if contrast.one == contrast.other:
            raise UserError(f"{what}: one and other are both {contrast.one!r}; expected two values of {contrast.key!r}")
        if contrast.within == contrast.key:
            raise UserError(
                f"{what}: within is {contrast.within!r}, its own key; expected another key of `meta`, or null"
            )
        check_meta(cfg, f"contrasts.{name}", [contrast.key, *([contrast.within] if contrast.within else [])])


def check_benchmarks(cfg: Any) -> None:
    """Refuse a comparison of no benchmark, and unknown parts."""
    if not cfg.benchmark_parts:
        raise UserError("benchmark_parts is empty; name the benchmarks: benchmark_parts={toy_mmlu:[text]}")
    parts = grouping_of(cfg.grouping).parts
    for held in cfg.benchmark_parts.values():
        for part in held:
            check_name("part of a dataset", part, parts)
