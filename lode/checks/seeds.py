"""Refuse seeds that no generator takes, and an unknown way to divide samples."""

from typing import Any

from lode.checks.names import check_name
from lode.dataset import SPLITS
from lode.engine.errors import UserError


def check_seed(cfg: Any) -> None:
    """Refuse a seed that no generator takes."""
    if cfg.seed < 0:
        raise UserError(f"seed = {cfg.seed}: expected a whole number of at least 0")


def check_split_seed(cfg: Any) -> None:
    """Refuse a seed of datasets that no generator takes."""
    if cfg.split_seed < 0:
        raise UserError(f"split_seed = {cfg.split_seed}: expected a whole number of at least 0")


def check_split(cfg: Any) -> None:
    """Refuse an unknown way to divide samples."""
    check_name("split", cfg.split, SPLITS)
