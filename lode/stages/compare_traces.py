"""Stage 7h: what each set changes inside the model, layer by layer, beside what its controls change.

Reads the traces of one benchmark under every set, and the neurons table, whose provenance says how much controls write.
Writes `trace_tests`: of the gold answer by the lens, the entropy of each group, and the mass and share that the last
token takes from it, the difference from the clean model on the same samples. The statistic, and which rows are one
family, is that of `lode/statistics/traced_sets.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64, Shaped

from lode.config import StepConfig
from lode.control import headline_first
from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, write_table
from lode.neurons import SetKey
from lode.statistics.ranked import Ranked, ranked_sets
from lode.statistics.traced_sets import Change, Told, change_of, corrected, rank, size_of
from lode.table.set_flow_samples import SET_FLOW_SAMPLES
from lode.table.set_lens_samples import SET_LENS_SAMPLES
from lode.table.trace_tests import TRACE_TESTS

Row = dict[str, Any]
#: What is compared, by table.
OF_LENS, OF_FLOW = ("gold_logp", "entropy"), ("mass", "share")
CLEAN = "none"


@dataclass(frozen=True)
class Cell:
    """A measure of a group.

    Attributes:
        clusters: of the samples that hold it, in the order of their ids.
        values: by set.
    """

    clusters: Shaped[np.ndarray, " sample"]
    values: Mapping[str, Float64[np.ndarray, "sample layer"]]


#: By measure and group.
Cells = dict[tuple[str, str], Cell]


def cells_of(table: pa.Table, measures: Sequence[str]) -> Cells:
    """What a table holds, as numbers; a measure that a group has not is left out.

    Raises:
        UserError: sets differ in their samples, or a sample lacks layers.
    """
    found: Cells = {}
    for group in table["group"].unique().to_pylist():
        part = table.filter(pc.equal(table["group"], group))
        part = part.sort_by([(name, "ascending") for name in ("set_name", "sample_id", "layer")])
        names, counts = np.unique(part["set_name"].to_numpy(zero_copy_only=False), return_counts=True)
        depth = pc.max(part["layer"]).as_py() + 1
        ids = part["sample_id"].to_numpy(zero_copy_only=False)
        if (
            len(set(counts.tolist())) > 1
            or counts[0] % depth
            or (ids.reshape(len(names), -1) != ids[: counts[0]]).any()
        ):
            raise UserError(f"group {group}: sets differ in their samples or layers; trace the sets again")
        clusters = np.array(part["cluster_id"].to_pylist()[: counts[0] : depth])
        for measure in measures:
            if part[measure].null_count < len(part):
                values = part[measure].cast(pa.float64()).to_numpy().reshape(len(names), -1, depth)
                found[measure, group] = Cell(clusters, dict(zip(names.tolist(), values, strict=True)))
    return found


def keys_of(table: pa.Table) -> list[Row]:
    """Every set of a table but the clean model."""
    columns = [*SetKey._fields, "num_neurons"]
    rows: list[Row] = table.select(columns).group_by(columns, use_threads=False).aggregate([]).to_pylist()
    return [row for row in rows if row["set_name"] != CLEAN]


def change_rows(ranked: Ranked, measure: str, group: str, cell: Cell) -> list[tuple[Row, Told]]:
    """A row a layer of one set, kind of control, measure and group, with what it is judged by."""
    clean = cell.values[CLEAN]
    change = change_of(cell.values[ranked.set_name], clean, cell.clusters)
    controls = np.array([(cell.values[name] - clean).mean(0) for name in ranked.controls]).reshape(-1, clean.shape[1])
    key = {"set_name": ranked.set_name, "num_neurons": ranked.num_neurons, "measure": measure, "group": group}
    beside = {"control_kind": ranked.kind, "num_controls": len(controls), "size_ratio": ranked.size_ratio}
    rows = []
    for layer in range(clean.shape[1]):
        told = told_of(ranked, measure, float(change.difference[layer]), controls[:, layer])
        row = {**key, "layer": layer, "num_samples": len(cell.clusters), **beside, **said_of(change, layer)}
        rows.append((row | spread(controls[:, layer]) | {"p_value": told.p_value, "verdict": told.verdict}, told))
    return rows


def told_of(ranked: Ranked, measure: str, difference: float, controls: Float64[np.ndarray, " control"]) -> Told:
    """What a difference is judged by."""
    size, *others = (size_of(measure, value) for value in (difference, *controls.tolist()))
    return Told(size, others, ranked.magnitudes, *rank(size, others, ranked.magnitudes, ranked.size_ratio))


def said_of(change: Change, layer: int) -> Row:
    """The columns of a change at a layer; what is not a number is null."""
    names = ("clean", "difference", "interval_low", "interval_high")
    numbers = (float(of_layer[layer]) for of_layer in change)
    return {name: None if np.isnan(value) else value for name, value in zip(names, numbers, strict=True)}


def spread(controls: Float64[np.ndarray, " control"]) -> Row:
    """Mean and ends of the differences of controls; none where there are none."""
    if not len(controls):
        return {}
    return {
        f"control_{name}": float(of(controls)) for name, of in (("mean", np.mean), ("min", np.min), ("max", np.max))
    }


def rows_of_sets(sets: Sequence[Ranked], cells: Cells) -> list[Row]:
    """All rows, measure by measure; corrected over those of the headline kind of control of each set."""
    rows: list[Row] = []
    first = {each.set_name: headline_first(e.kind for e in sets if e.set_name == each.set_name)[0] for each in sets}
    for measure in dict.fromkeys(measure for measure, _ in cells):
        groups = [group for name, group in cells if name == measure]
        found = [
            pair
            for each in sets
            for group in groups
            for pair in change_rows(each, measure, group, cells[measure, group])
        ]
        family = [(row, told) for row, told in found if row["control_kind"] == first[row["set_name"]]]
        for (row, _), p in zip(family, corrected([told for _, told in family]), strict=True):
            row["p_corrected"] = p
        rows += [row for row, _ in found]
    return rows


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.set_lens_samples`, `io.set_flow_samples` and `io.neurons`; write `io.trace_tests`.

    Args:
        cfg: io.
        made_by: the provenance to record.

    Raises:
        UserError: the sets differ in their samples.
    """
    lens = read_table(cfg.io["set_lens_samples"], SET_LENS_SAMPLES)
    flow = read_table(cfg.io["set_flow_samples"], SET_FLOW_SAMPLES)
    cells = {**cells_of(lens, OF_LENS), **cells_of(flow, OF_FLOW)}
    sets = ranked_sets(keys_of(lens), read_provenance(cfg.io["neurons"]))
    write_table(cfg.io["trace_tests"], TRACE_TESTS, rows_of_sets(sets, cells), made_by)
