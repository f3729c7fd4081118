"""Refuse settings under which no attention could be cut, or no head ablated."""

from typing import Any

from lode.checks.dataset import check_tested_data
from lode.checks.names import check_name, check_positive
from lode.engine.errors import UserError
from lode.grouping import grouping_of
from lode.model.windows import WIDTHS

#: Groups of tokens that every grouping has here, as `lode/model/cutting.py` does.
SOURCES = ("media", "before")
LAST = "last"


def check_cut(cfg: Any) -> None:
    """Refuse counts below 1, pairs of unknown groups or none, unknown windows, and samples of training."""
    for name in ("max_samples", "batch_size"):
        check_positive(f"cut.{name}", cfg.cut[name])
    for name in ("num_controls", "num_window_controls"):
        if cfg.cut[name] < 0:
            raise UserError(f"cut.{name} = {cfg.cut[name]}: expected a number of draws, 0 or more")
    for name in cfg.cut.windows:
        check_name("window of cut.windows", name, WIDTHS)
    if not cfg.cut.pairs or not cfg.cut.windows:
        raise UserError("cut.pairs or cut.windows is empty; expected at least one pair of groups and one window")
    for pair in cfg.cut.pairs:
        check_pair(pair, grouping_of(cfg.grouping).groups)
    check_tested_data(cfg)


def check_pair(pair: Any, groups: Any) -> None:
    """Refuse what is not a source and a target."""
    if len(pair) != 2:
        raise UserError(f"cut.pairs holds {list(pair)}; expected (source, target): [media, {LAST}], say")
    check_name("source of cut.pairs", pair[0], [*SOURCES, *groups])
    check_name("target of cut.pairs", pair[1], [LAST, *SOURCES, *groups])


def check_heads(cfg: Any) -> None:
    """Refuse counts below 1, and samples of training."""
    for name in ("max_samples", "batch_size"):
        check_positive(f"heads.{name}", cfg.heads[name])
    if cfg.heads.num_maps < 0:
        raise UserError(f"heads.num_maps = {cfg.heads.num_maps}: expected a number of samples, 0 or more")
    check_tested_data(cfg)
