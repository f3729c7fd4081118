"""Refuse a grouping that there is not, and options that it does not take."""

from importlib import import_module
from typing import Any

from lode.checks.names import check_keywords, check_plugin


def check_grouping(cfg: Any) -> None:
    """Refuse an unknown plug-in, and bad options."""
    section = cfg.grouping
    check_plugin("grouping", section.plugin)
    plugin = import_module(f"lode.grouping.{section.plugin}")
    check_keywords(f"grouping {section.name}", plugin.grouping, section.options)
