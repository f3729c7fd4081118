"""Refuse scores that a benchmark cannot have, and a comparison of none."""

from importlib import import_module
from typing import Any

from lode.checks.names import check_name, check_plugin, known_plugins
from lode.engine.errors import UserError
from lode.shapes import TOKEN_MODALITIES


def check_scores(cfg: Any) -> None:
    """Refuse an unknown score, none, or a headline that falls where only the end of a reply is lost."""
    if not cfg.dataset.scores:
        raise UserError(
            f"dataset {cfg.dataset.name}: no score; list at least one of {', '.join(known_plugins('scoring'))}"
        )
    for name in cfg.dataset.scores:
        check_plugin("scoring", name)
    blind = [name for name in known_plugins("scoring") if not import_module(f"lode.scoring.{name}").SEES_STOPPING]
    if cfg.dataset.scores[0] not in blind:
        raise UserError(
            f"dataset {cfg.dataset.name}: the first score is the headline, and what follows the answer changes "
            f"{cfg.dataset.scores[0]!r}; put one of {', '.join(sorted(blind))} before it"
        )


def check_benchmarks(cfg: Any) -> None:
    """Refuse a comparison of no benchmark, and unknown modalities."""
    if not cfg.benchmark_modalities:
        raise UserError("benchmark_modalities is empty; name the benchmarks: benchmark_modalities={toy_mmlu:[text]}")
    for held in cfg.benchmark_modalities.values():
        for modality in held:
            check_name("modality of a dataset", modality, TOKEN_MODALITIES)
