"""Refuse a planting that cannot be."""

from typing import Any

from lode.checks.names import check_name, check_positive
from lode.engine.errors import UserError
from lode.grouping import PROMPT, grouping_of
from lode.model.tokens import TOKEN_KINDS
from lode.neurons import LM_GATE


def check_planting(cfg: Any) -> None:
    """Refuse a planting that cannot be."""
    planting = cfg.planting
    check_name("site to plant at", planting.site, cfg.model.sites)
    check_groups(cfg)
    for key in ("num_planted", "num_samples"):
        check_positive(f"planting.{key}", planting[key])
    for key in ("seed", "num_pairs", "num_mute", "num_unspecific", "num_cancelling", "strength"):
        if planting[key] < 0:
            raise UserError(f"planting.{key} = {planting[key]}: expected at least 0")
    if not 0 < planting.host_frac <= 1 or planting.effect <= 0:
        raise UserError(
            f"planting.host_frac = {planting.host_frac}, planting.effect = {planting.effect}: expected a share in "
            "(0, 1] and a length above 0"
        )
    if cfg.model.dtype != "float32":
        raise UserError(f"model.dtype = {cfg.model.dtype}: planting needs float32; its channels are too small for less")


def check_groups(cfg: Any) -> None:
    """Refuse groups that cannot be planted at the site, and pairs where there are none."""
    planting = cfg.planting
    in_language_model = planting.site == LM_GATE
    grouping = grouping_of(cfg.grouping)
    known = TOKEN_KINDS if in_language_model else [name for name in grouping.groups if name != PROMPT]
    for group in planting.groups:
        check_name("group to plant", group, known)
    if len(set(planting.groups)) < 2:
        raise UserError("planting.groups: name at least two, or there is nothing to be specific against")
    for group in planting.paired or ():
        check_name("group of planting.paired", group, planting.groups)
    if in_language_model:
        return
    parts = [part for group in planting.groups for part in grouping.groups[group]]
    if len(set(parts)) < len(parts):
        raise UserError(f"planting.groups = {', '.join(planting.groups)}: some share rows; expected disjoint groups")
    if planting.num_pairs:
        raise UserError(
            f"planting.num_pairs = {planting.num_pairs} at site {planting.site}: redundant pairs keep a neuron of the "
            "next layer silent by a channel that only the language model has room for; set planting.num_pairs=0"
        )
