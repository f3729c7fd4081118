"""Stage 3b: add up the attributions of all shards of all mining datasets of a model."""

from typing import Any

from lode.config import StepConfig
from lode.engine.tables import read_table, write_table
from lode.importance.pooling import gradient_columns
from lode.table._dense import blocks_of
from lode.table.attributions import ATTRIBUTIONS
from lode.table.gradients import GRADIENTS


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Read all shards (io.gradients) and write their sum."""
    shards = [block for path in cfg.io["gradients"] for block in blocks_of(read_table(path, GRADIENTS))]
    write_table(cfg.io["attributions"], ATTRIBUTIONS, gradient_columns(shards), made_by)
