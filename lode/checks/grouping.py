"""Refuse a grouping that there is not, options that it does not take, and what is said of groups that it has not."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from matplotlib.colors import is_color_like
from matplotlib.lines import Line2D

from lode.checks.intervention import read_intervention
from lode.checks.names import check_keywords, check_name, check_plugin
from lode.engine.config_file import check_choice
from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.grouping import PROMPT, grouping_of


def check_grouping(cfg: Any) -> None:
    """Refuse an unknown plug-in, bad options, and a dataset of theirs that there is not."""
    section = cfg.grouping
    check_plugin("grouping", section.plugin)
    plugin = import_module(f"lode.grouping.{section.plugin}")
    check_keywords(f"grouping {section.name}", plugin.grouping, section.options)
    for name in grouping_of(section).datasets:
        check_choice(ROOT / "config", "dataset", name)


def check_own(cfg: Any) -> None:
    """Refuse own benchmarks of groups that there are not, or without parts that there are not."""
    grouping, section = grouping_of(cfg.grouping), cfg.grouping
    for group in (*section.own_without, *section.no_own):
        check_name("group with own benchmarks", group, grouping.groups)
    for without in section.own_without.values():
        for part in without:
            check_name("part that own benchmarks do not hold", part, grouping.parts)


def advise_unnamed(section: Any, parts: Mapping[str, Sequence[str]]) -> list[str]:
    """What a person should know of benchmarks that hold no group with benchmarks of its own.

    Args:
        section: the `grouping` section of the config.
        parts: by benchmark the parts that its samples hold.
    """
    grouping = grouping_of(section)
    named = {group for split in grouping.splits.values() for group in split} - {PROMPT, *section.no_own}
    owned = {part for group in named for part in grouping.groups[group]}
    unnamed = [name for name, held in parts.items() if not owned & set(held)]
    if not owned or not unnamed:
        return []
    return [
        f"grouping {section.name}: benchmarks of no group, {', '.join(unnamed)}, count among the others of every set; "
        "is one a variant of a group's own, name it in grouping.options"
    ]


def check_looks(cfg: Any) -> None:
    """Refuse looks of groups that there are not, and what is no colour or no marker."""
    grouping = grouping_of(cfg.grouping)
    for group, look in cfg.grouping.looks.items():
        check_name("group with a look", group, grouping.groups)
        if not is_color_like(look.colour):
            raise UserError(f"grouping.looks.{group}.colour = {look.colour!r}: expected a colour, such as '#0072B2'")
        if look.marker not in Line2D.filled_markers:
            raise UserError(
                f"grouping.looks.{group}.marker = {look.marker!r}: expected a filled marker of matplotlib, one of "
                f"{' '.join(Line2D.filled_markers)}"
            )


def check_mixed_groups(cfg: Any) -> None:
    """Refuse values of another sample where that may lack the group of a token: groups that are made of samples.

    Args:
        cfg: of a benchmark; its grouping, its dataset and its intervention are there.
    """
    _, needs = read_intervention(cfg.intervention.plugin)
    grouping = grouping_of(cfg.grouping)
    if "donors" in needs and grouping.mixed and len(grouping.held(cfg.dataset)) > 1:
        raise UserError(
            f"intervention {cfg.intervention.name} with grouping {cfg.grouping.name}: samples of {cfg.dataset.name} "
            "are of different groups, and a token takes the mean of its own group in another sample, which may have "
            "none; expected groups that every sample of a benchmark holds, such as grouping=modality, or another "
            "intervention"
        )
