"""Stage 7d: what cut attention costs on average, beside as many random edges of the same queries.

Reads `cut_samples` of one benchmark and writes `cuts`: of every pair and window, content and stopping apart, over all
samples and over those that were right with nothing cut. The statistic is that of `lode/statistics/cuts.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float64

from lode.config import StepConfig
from lode.engine.tables import read_provenance, read_table, write_table
from lode.statistics.cuts import NOTHING, TOO_FEW_CLUSTERS, UNMATCHABLE, corrected, interval, verdict
from lode.statistics.significance import rank_p_value
from lode.table.cut_samples import CUT_SAMPLES
from lode.table.cuts import CUTS

Row = dict[str, Any]
OUTCOMES = ("content", "stopping")
#: Over which samples a row is.
ITEMS = ("right", "all")
EDGES = ("source", "target", "window", "layer")


def cuts_of(table: pa.Table) -> dict[tuple[Any, ...], list[pa.Table]]:
    """By pair and window the rows of the cut, and then of each draw, all in the order of samples."""
    ordered = table.sort_by([*((name, "ascending") for name in (*EDGES, "control_draw", "sample_id"))])
    keys = ordered.select([*EDGES, "control_draw"]).to_pylist()
    starts = [at for at, key in enumerate(keys) if not at or key != keys[at - 1]]
    found: dict[tuple[Any, ...], list[pa.Table]] = {}
    for start, end in zip(starts, [*starts[1:], len(keys)], strict=True):
        found.setdefault(tuple(keys[start][name] for name in EDGES), []).append(ordered.slice(start, end - start))
    return found


def deltas(rows: pa.Table, outcome: str, kept: Bool[np.ndarray, " sample"]) -> Float64[np.ndarray, " kept"]:
    """Cut less clean of the samples that are kept."""
    found = rows[outcome].to_numpy() - rows[f"clean_{outcome}"].to_numpy()
    return np.asarray(found[kept])


def shared_frac(control: pa.Table, kept: Bool[np.ndarray, " sample"]) -> float:
    """Of the edges of a draw, the share that the pair itself has."""
    return float(control["num_shared"].to_numpy()[kept].sum() / control["num_edges"].to_numpy()[kept].sum())


def cut_row(draws: Sequence[pa.Table], outcome: str, items: str) -> Row | None:
    """What is said of a pair in a window; None where no sample is right.

    Args:
        draws: the cut, and then its controls.
        outcome: `content` or `stopping`.
        items: `right` or `all`.
    """
    own, controls = draws[0], draws[1:]
    right = np.asarray(own["right"].to_pylist(), dtype=bool)
    kept = np.ones_like(right) if items == "all" else right
    if not kept.any():
        return None
    change = deltas(own, outcome, kept)
    of_controls = [float(deltas(control, outcome, kept).mean()) for control in controls]
    shared = [shared_frac(control, kept) for control in controls]
    delta = float(change.mean())
    clusters = np.asarray(own["cluster_id"].to_pylist())[kept]
    low, high = interval(change, clusters)
    return {
        "items": items,
        "outcome": outcome,
        "num_samples": int(kept.sum()),
        "num_edges": float(own["num_edges"].to_numpy()[kept].mean()),
        "clean": float(own[f"clean_{outcome}"].to_numpy()[kept].mean()),
        "delta": delta,
        "interval_low": low,
        "interval_high": high,
        "relative_percent": float(100 * np.expm1(change).mean()),
        "num_controls": len(controls),
        "control_mean": float(np.mean(of_controls)) if controls else None,
        "control_min": min(of_controls, default=None),
        "control_max": max(of_controls, default=None),
        "shared_frac": float(np.mean(shared)) if shared else None,
        "most_shared_frac": max(shared, default=None),
        "p_value": rank_p_value(-delta, [-control for control in of_controls]),
        "p_corrected": None,
        "verdict": verdict(delta, of_controls, shared, len(set(clusters.tolist()))),
        "controls": of_controls,
    }


def correct(rows: Sequence[Row], num_layers: int) -> None:
    """Write into rows of one outcome and choice of samples what holds for the best of all pairs cut in all layers."""
    told = [row for row in rows if row["window"] == num_layers and row["controls"]]
    tests = [row for row in told if row["verdict"] not in (UNMATCHABLE, NOTHING, TOO_FEW_CLUSTERS)]
    found = corrected([row["delta"] for row in tests], [row["controls"] for row in tests])
    for row, p in zip(tests, found, strict=True):
        row["p_corrected"] = p


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.cut_samples`; write `io.cuts`.

    Args:
        cfg: io.
        made_by: the provenance to record.
    """
    found = cuts_of(read_table(cfg.io["cut_samples"], CUT_SAMPLES))
    num_layers = int(read_provenance(cfg.io["cut_samples"])["num_layers"])
    rows: list[Row] = []
    for outcome in OUTCOMES:
        for items in ITEMS:
            cells = [(key, cut_row(draws, outcome, items)) for key, draws in found.items()]
            family = [{**dict(zip(EDGES, key, strict=True)), **cell} for key, cell in cells if cell is not None]
            correct(family, num_layers)
            rows += family
    write_table(cfg.io["cuts"], CUTS, [{name: row[name] for name in CUTS.schema.names} for row in rows], made_by)
