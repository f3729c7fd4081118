"""Refuse settings of the capture of activations and gradients."""

from typing import Any

from lode.checks.dataset import check_shards, num_at_hand
from lode.checks.names import check_name, check_positive
from lode.engine.errors import UserError
from lode.importance import ATTENTION_KINDS, NORMALISATIONS

MAX_BINS = 512


def check_capture(cfg: Any) -> None:
    """Refuse what is in no closed list, counts that cannot be, sites that are not there, and shards without samples."""
    check_name("capture.attention", cfg.capture.attention, ATTENTION_KINDS)
    check_name("capture.normalisation", cfg.capture.normalisation, NORMALISATIONS)
    num_bins = cfg.capture.num_bins
    if num_bins and not (4 <= num_bins <= MAX_BINS and num_bins % 2 == 0):
        raise UserError(f"capture.num_bins = {num_bins}: expected 0, or an even number from 4 to {MAX_BINS}: say 512")
    check_positive("capture.batch_size", cfg.capture.batch_size)
    if cfg.capture.token_budget is not None:
        check_positive("capture.token_budget", cfg.capture.token_budget)
    check_sites(cfg)
    check_mined_shards(cfg)


def check_sites(cfg: Any) -> None:
    """Refuse a site twice, and sites of which the model has none."""
    names = cfg.capture.sites
    if names is not None and (len(set(names)) < len(names) or not set(names) & set(cfg.model.sites)):
        raise UserError(
            f"capture.sites = [{', '.join(names)}] for model {cfg.model.name}: expected each once, and at least one of "
            f"{', '.join(cfg.model.sites)}; or null for all of them"
        )


def check_mined_shards(cfg: Any) -> None:
    """Refuse shards of the mining split without samples, and blocks of shards."""
    shards, blocks = cfg.capture.shards, cfg.capture.blocks
    check_positive("capture.shards", shards)
    check_positive("capture.blocks", blocks)
    split = "test" if cfg.split == "paper" else "mine"
    check_shards(cfg, "capture", split)
    if shards * blocks > (num_samples := num_at_hand(cfg.dataset, split)):
        raise UserError(
            f"capture.blocks = {blocks} of capture.shards = {shards}: expected at most the {num_samples} samples of "
            f"{cfg.dataset.name} in split {split!r}, blocks of all shards together"
        )


def check_gradients(cfg: Any) -> None:
    """Refuse an exponent outside [0, 1], a negative number of steps, and shards without samples."""
    gradients = cfg.gradients
    check_positive("gradients.batch_size", gradients.batch_size)
    if not 0 <= gradients.alpha <= 1 or gradients.num_steps < 0:
        raise UserError(
            f"gradients.alpha = {gradients.alpha}, gradients.num_steps = {gradients.num_steps}: expected an exponent "
            "in [0, 1] and a whole number of at least 0, such as 0.5 and 8"
        )
    check_mined_shards(cfg)
