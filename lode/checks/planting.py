"""Refuse a planting that cannot be."""

from typing import Any

from lode.checks.names import check_name, check_positive
from lode.engine.errors import UserError
from lode.model.tokens import TOKEN_KINDS


def check_planting(cfg: Any) -> None:
    """Refuse a planting that cannot be."""
    planting = cfg.planting
    for group in planting.groups:
        check_name("group to plant", group, TOKEN_KINDS)
    if len(set(planting.groups)) < 2:
        raise UserError("planting.groups: name at least two, or there is nothing to be specific against")
    for group in planting.paired or ():
        check_name("group of planting.paired", group, planting.groups)
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
