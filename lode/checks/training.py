"""Refuse a recipe with unknown datasets or scores, or with a part that no wheel is."""

from typing import Any

from lode.checks.names import check_plugin
from lode.checks.parts import check_part
from lode.training import datasets_of


def check_training(cfg: Any) -> None:
    """Refuse a recipe with an unknown builder, datasets or scores."""
    check_plugin("training", cfg.training.get("builder", cfg.training.name))
    for path, part in cfg.training.get("parts", {}).items():
        check_part(f"training.parts.{path}", part)
    for name, options in datasets_of(cfg.training):
        check_plugin("dataset", options.get("plugin", name))
        if "score" in options:
            check_plugin("scoring", options.score)
