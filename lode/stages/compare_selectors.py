"""Stage 4c: the scoreboard: every selection at every strength of planting, over all plantings.

Reads: the ratings of every selection on every planted model. Writes: the scoreboard as a table, and as text.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lode.config import StepConfig
from lode.engine.seal import beside
from lode.engine.tables import read_table, replacing, write_table
from lode.table.ratings import MEASURES, RATINGS
from lode.table.scoreboard import SCOREBOARD

Row = dict[str, Any]

#: Columns of the text, the first decides the order.
SHOWN = ("average_precision", "precision_at_k", "auroc", "false_discovery_frac", "mute_at_k")


def spread(values: Iterable[float | None]) -> Row:
    """Mean and range over plantings; a planting without a value does not count."""
    known = [value for value in values if value is not None]
    if not known:
        return {"num_seeds": 0, "mean": None, "low": None, "high": None}
    return {"num_seeds": len(known), "mean": float(np.mean(known)), "low": min(known), "high": max(known)}


def scoreboard(ratings: Sequence[Row]) -> list[Row]:
    """One row for each selection, strength, group and measure.

    Args:
        ratings: rows of ratings tables with the `selection` they are of. Groups of a planting are averaged into
            `all` before plantings are.
    """
    cells: dict[tuple[Any, ...], dict[int, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for row in ratings:
        for group in (row["group"], "all"):
            for measure in MEASURES:
                key = (row["selection"], row["strength"], row["site"], group, measure)
                cells[key][row["planting_seed"]].append(row[measure])
    names = ("selection", "strength", "site", "group", "measure")
    return [
        {**dict(zip(names, key, strict=True)), **spread(spread(part)["mean"] for part in seeds.values())}
        for key, seeds in cells.items()
    ]


def as_text(rows: Sequence[Row]) -> str:
    """A table in Markdown for each site and strength, the best selection first: mean over groups and plantings."""
    values = {(r["site"], r["strength"], r["selection"], r["measure"]): r for r in rows if r["group"] == "all"}
    sites = list(dict.fromkeys(site for site, *_ in values))
    parts = []
    for site, strength in sorted({key[:2] for key in values}, key=lambda key: (sites.index(key[0]), -key[1])):
        of = {key[2:]: row for key, row in values.items() if key[:2] == (site, strength)}
        names = sorted(dict.fromkeys(name for name, _ in of), key=lambda name: -of[name, SHOWN[0]]["mean"])
        title = f"strength {strength:g}" if len(sites) == 1 else f"{site}, strength {strength:g}"
        lines = [f"| {title} | {' | '.join(SHOWN)} |", "|---" * (1 + len(SHOWN)) + "|"]
        lines += [f"| `{n}` | {' | '.join(cell(of[n, m]) for m in SHOWN)} |" for n in names]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def cell(row: Row) -> str:
    """The mean, and the range over plantings."""
    return "–" if row["mean"] is None else f"{row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Write the scoreboard of all `io.ratings` (paths `<model>/<selection>.parquet`)."""
    ratings = [
        {"selection": Path(path).stem, **row}
        for path in cfg.io["ratings"]
        for row in read_table(path, RATINGS).to_pylist()
    ]
    rows = scoreboard(ratings)
    with replacing(cfg.io["text"], sealed=False) as temporary:
        temporary.write_text(as_text(rows), encoding="utf-8")
    write_table(cfg.io["scoreboard"], SCOREBOARD, rows, {**made_by, **beside(cfg.io["scoreboard"], cfg.io["text"])})
