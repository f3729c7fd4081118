"""Refuse a recipe with unknown datasets or scores."""

from typing import Any

from lode.checks.names import check_plugin


def check_training(cfg: Any) -> None:
    """Refuse a recipe with an unknown builder, datasets or scores."""
    check_plugin("training", cfg.training.get("builder", cfg.training.name))
    for name, options in cfg.training.datasets.items():
        check_plugin("dataset", options.get("plugin", name))
        check_plugin("scoring", options.score)
