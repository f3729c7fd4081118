"""Refuse a figure of unknown tables."""

from typing import Any

from lode.cards.facts import FIGURE_TABLES
from lode.checks.names import check_name, check_plugin


def check_figure(cfg: Any) -> None:
    """Refuse a figure of unknown tables."""
    check_plugin("figure", cfg.figure.plugin)
    for table in cfg.figure.tables:
        check_name("table of a figure", table, FIGURE_TABLES)
