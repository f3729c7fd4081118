"""Judge all sets of a report together: which are specific to their group, which are not, which cannot be told.

Reads `selectivity` of every model, selection and intervention, and the neurons tables; writes `verdicts`: a row per
outcome, set and run, at the headline kind of control. The primary family, declared before any result is seen, is one
test a set and run: the selectivity of the content of the gold answer (`lode/statistics/verdict.py`). The other outcomes
are judged in the same way, each as a family of its own, and stand beside.
"""

from collections.abc import Mapping
from typing import Any

from lode.config import StepConfig
from lode.engine.tables import read_provenance, read_table, write_table
from lode.scoring import COMPARED
from lode.statistics.ranked import alike
from lode.statistics.verdict import judge
from lode.table._keys import keys_of
from lode.table.selectivity import SELECTIVITY
from lode.table.verdicts import VERDICTS

Row = dict[str, Any]


def headline(rows: list[Row]) -> list[Row]:
    """One row per outcome and set: that of its headline kind of control, which comes first."""
    return list({(row["outcome"], row["set_name"]): row for row in reversed(rows)}.values())[::-1]


def of_empty_sets(num_unique: Mapping[str, int]) -> list[Row]:
    """A row per outcome for each set that has no neuron, so no selectivity: else it would be missing without a word.

    Args:
        num_unique: neurons of each set that was asked for.
    """
    nothing = {"own": [], "others": [], "unmeasurable": [], "control_kind": "", "num_controls": 0, "num_neurons": 0}
    empty = [name for name, number in num_unique.items() if not number]
    return [{"set_name": name, "outcome": outcome, **nothing} for outcome in COMPARED for name in empty]


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.selectivity` and `io.neurons`; write `io.verdicts`.

    Args:
        cfg: io.
        made_by: the provenance to record.
    """
    made = {tuple(keys_of("neurons", path).values()): read_provenance(path) for path in cfg.io["neurons"]}
    rows: list[Row] = []
    for path in cfg.io["selectivity"]:
        keys = keys_of("selectivity", path)
        of_run = made[keys["model"], keys["selection"]]
        rows += [{**keys, **row} for row in of_empty_sets(of_run.get("num_unique", {}))]
        for row in headline(read_table(path, SELECTIVITY).to_pylist()):
            like = alike(of_run, row["control_kind"], row["set_name"], row["num_controls"])
            rows.append({**keys, **row, **like})
    judged = [
        {**verdict.row, **{name: value for name, value in vars(verdict).items() if name != "row"}}
        for outcome in COMPARED
        for verdict in judge([row for row in rows if row["outcome"] == outcome])
    ]
    write_table(cfg.io["verdicts"], VERDICTS, judged, made_by)
