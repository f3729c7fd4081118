"""Stage 5f: does a set move the states of a group more than its controls do, and its own group more than others?

Reads `sample_shifts` of every benchmark, and the neurons table, whose provenance says how much controls write
(`magnitude_ratios`, `site_magnitude_ratios`). Writes `shift_tests`, the last states of each group in each benchmark and
over all that hold it, and `shift_selectivity`: own group less the mean of the groups of the other sets. A group of
domains is in benchmarks of its own, one of modalities in many: either way its shift is the mean over the benchmarks
that hold it, each of the same weight. A set that has no own group, as the union `all`, or no other one, has no
selectivity and no row.

Verdicts are of one row alone: of 21 rows of sets that are no more than random one is above all of 20 controls. Which
sets a report names is decided over all of its sets and runs (`lode/statistics/shift.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, write_table
from lode.grouping import PROMPT, Grouping, grouping_of
from lode.statistics.ranked import Ranked, compared, ranked_sets
from lode.statistics.shift import Cell, contrast_value, selectivity_weights
from lode.table.sample_shifts import SAMPLE_SHIFTS
from lode.table.shift_selectivity import SHIFT_SELECTIVITY
from lode.table.shift_tests import SHIFT_TESTS

Row = dict[str, Any]
#: By group and benchmark.
Cells = Mapping[tuple[str, str], Cell]
#: What identifies a set.
_KEY = ("set_name", "kind", "control_of", "control_kind", "control_draw", "num_neurons")


def cells_of(table: pa.Table, dataset: str) -> Cells:
    """The shifts of every group in one benchmark.

    Raises:
        UserError: sets differ in their samples.
    """
    found = {}
    for group in table["group"].unique().to_pylist():
        part = table.filter(pc.equal(table["group"], group)).sort_by(
            [("set_name", "ascending"), ("sample_id", "ascending")]
        )
        names, counts = np.unique(part["set_name"].to_numpy(zero_copy_only=False), return_counts=True)
        if len(set(counts.tolist())) > 1:
            raise UserError(f"{dataset}: sets differ in their samples of group {group}; measure the shifts again")
        values = part["shift"].to_numpy().reshape(len(names), -1)
        clusters = np.asarray(part["cluster_id"].to_pylist())[: values.shape[1]]
        found[group, dataset] = Cell(dict(zip(names.tolist(), values, strict=True)), clusters)
    return found


def test_rows(ranked: Ranked, cells: Cells) -> list[Row]:
    """Rows of `shift_tests`: each group over all benchmarks that hold it, and then in each."""
    rows = []
    for group in dict.fromkeys(group for group, _ in cells):
        held = {dataset: cell for (name, dataset), cell in cells.items() if name == group}
        parts: list[tuple[str | None, list[Cell]]] = [(None, list(held.values()))]
        parts += [(dataset, [cell]) for dataset, cell in held.items()]
        for dataset, some in parts:
            found, _ = compared(ranked, some, [1 / len(some)] * len(some))
            value = {"shift": found.pop("value"), "own": group == ranked.set_name}
            count = sum(len(cell.clusters) for cell in some)
            rows.append({**found, **value, "group": group, "dataset": dataset, "num_samples": count})
    return rows


def other_groups(name: str, grouping: Grouping, set_names: Sequence[str], cells: Cells) -> list[str]:
    """The groups of other sets that share no token with that of a set, and occur; none where it has none of its own."""
    if name not in grouping.groups or name == PROMPT:
        return []
    own, held = set(grouping.groups[name]), {group for group, _ in cells}
    told = [other for other in set_names if other in held and other in grouping.groups]
    return [other for other in told if not own & set(grouping.groups[other])] if name in held else []


def selectivity_row(ranked: Ranked, cells: Cells, others: Sequence[str]) -> Row:
    """A row of `shift_selectivity`, of a set that has others."""
    by_group = {g: [cell for (name, _), cell in cells.items() if name == g] for g in (ranked.set_name, *others)}
    counts = [len(by_group[other]) for other in others]
    some = [cell for of_group in by_group.values() for cell in of_group]
    own = by_group[ranked.set_name]
    found, controls = compared(ranked, some, selectivity_weights(len(own), counts))
    shift_own = contrast_value(own, [1 / len(own)] * len(own), ranked.set_name)
    value = found.pop("value")
    further = {"shift_own": shift_own, "shift_others": shift_own - value, "selectivity": value}
    beside = {"control_values": controls, "control_magnitudes": ranked.magnitudes}
    return {**found, **further, **beside, "others": list(others)}


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.sample_shifts` and `io.neurons`; write `io.shift_tests` and `io.shift_selectivity`.

    Args:
        cfg: grouping, io.
        made_by: the provenance to record.

    Raises:
        UserError: the benchmarks differ in their sets, or the sets of one in their samples.
    """
    cells: dict[tuple[str, str], Cell] = {}
    keys: list[list[Row]] = []
    for path in cfg.io["sample_shifts"]:
        table = read_table(path, SAMPLE_SHIFTS)
        cells |= cells_of(table, table["dataset"][0].as_py())
        keys.append(table.select(_KEY).group_by(list(_KEY), use_threads=False).aggregate([]).to_pylist())
    if any(other != keys[0] for other in keys):
        raise UserError("the benchmarks differ in their neuron sets; measure the shifts again")
    ranked, grouping = ranked_sets(keys[0], read_provenance(cfg.io["neurons"])), grouping_of(cfg.grouping)
    names = list(dict.fromkeys(each.set_name for each in ranked))
    write_table(cfg.io["shift_tests"], SHIFT_TESTS, [row for each in ranked for row in test_rows(each, cells)], made_by)
    others = {name: other_groups(name, grouping, names, cells) for name in names}
    rows = [selectivity_row(each, cells, others[each.set_name]) for each in ranked if others[each.set_name]]
    write_table(cfg.io["shift_selectivity"], SHIFT_SELECTIVITY, rows, made_by)
