"""Refuse what a selection could not work with, and controls that there are not."""

from importlib import import_module
from typing import Any

from lode.checks.names import check_keywords, check_name, check_plugin, check_positive, known_plugins
from lode.engine.errors import UserError
from lode.grouping import grouping_of


def check_selection(cfg: Any) -> None:
    """Refuse what a selection could not work with."""
    selection = cfg.selection
    check_plugin("selection", selection.plugin)
    grouping = grouping_of(cfg.grouping)
    check_sites(selection)
    check_name("selection.group_split", selection.group_split, grouping.splits)
    for group in selection.groups or ():
        check_name("group", group, grouping.groups)
    if not 0 < selection.ratio <= 1:
        raise UserError(f"selection.ratio = {selection.ratio}: expected a share of all neurons in (0, 1], such as 0.02")
    check_controls(cfg)
    plugin = import_module(f"lode.selection.{selection.plugin}")
    check_keywords(f"selection {selection.name}", plugin.check_options, selection.options)
    plugin.check_options(**selection.options)


def check_sites(selection: Any) -> None:
    """Refuse no site, and one twice."""
    sites = selection.sites
    if sites is not None and (not sites or len(set(sites)) < len(sites)):
        raise UserError(
            f"selection.sites = {list(sites)}: expected at least one of the sites that are captured, each once, or "
            "null for all of them"
        )


def check_controls(cfg: Any) -> None:
    """Refuse an unknown kind of control, none, or one twice."""
    check_positive("controls.num_draws", cfg.controls.num_draws)
    for kind in cfg.controls.kinds:
        check_plugin("control", kind)
    if not cfg.controls.kinds or len(set(cfg.controls.kinds)) < len(cfg.controls.kinds):
        raise UserError(
            f"controls.kinds = {list(cfg.controls.kinds)}: expected at least one of "
            f"{', '.join(sorted(known_plugins('control')))}, each once"
        )
