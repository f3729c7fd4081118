"""Draw one figure from tables, as SVG and as PNG of equal content.

Reads: the tables that the figure's config lists. Writes: two image files that carry the caption and the
provenance in their metadata, and no date, so that equal tables give equal bytes.
"""

import json
from importlib import import_module
from typing import Any

from lode.config import StepConfig
from lode.engine.seal import BLANK, beside
from lode.engine.tables import replacing
from lode.figure import Looks, house_style, read_tables
from lode.table import table_of


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Draw `cfg.figure` from its tables in `cfg.io` to `io.figure` (SVG) and `io.png`."""
    plugin = import_module(f"lode.figure.{cfg.figure.plugin}")
    tables = read_tables(cfg.io, map(table_of, cfg.figure.tables))
    record = {"figure": cfg.figure.name, "caption": cfg.figure.caption, **made_by}
    with house_style(cfg.figure.name):
        figure = plugin.draw(tables, Looks(cfg.grouping))
        with replacing(cfg.io["png"], sealed=False) as temporary:
            # The version of the drawing library belongs in the record, not in a field that only PNG has.
            names = {"Title": cfg.figure.name, "Description": as_json(record), "Software": None}
            figure.savefig(temporary, format="png", metadata=names)
        with replacing(cfg.io["figure"]) as temporary:
            described = as_json({**record, **beside(cfg.io["figure"], cfg.io["png"]), "seal": BLANK})
            names = {"Title": cfg.figure.name, "Creator": "Lode", "Description": described, "Date": None}
            figure.savefig(temporary, format="svg", metadata=names)


def as_json(record: dict[str, Any]) -> str:
    """A record as text, its keys sorted."""
    return json.dumps(record, sort_keys=True)
