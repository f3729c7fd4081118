"""Where sets write: how far each moves the states of each group beside its controls, where shifts were measured."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lode.figure import Looks, Table, heading
from lode.page.report.numbers import number
from lode.statistics.shift import BEYOND, LARGEST_P, corrected

Row = dict[str, Any]
#: How the verdict on one shift is written.
SHIFT_VERDICTS = {
    "beyond_controls": "above every control, also per magnitude",
    "within_controls": "not above every control, or not per magnitude",
    "unmatchable": "unmatchable: its controls write too little",
    "too_few_controls": "too few controls: 20 are needed",
    "no_controls": "no controls",
    "nothing_to_lose": "nothing to lose on a side: not above chance",
}


def shift_runs(tables: Mapping[str, Sequence[Table]], looks: Looks) -> list[Row]:
    """What the page says of the shifts of each run; of none where they were not measured.

    The p-values of selectivities are corrected over all sets and runs before a set is named.

    Args:
        tables: by kind: `shift_tests` and `shift_selectivity`.
        looks: in which order sets come.
    """
    selectivity = {heading(table.keys): headline(table.data.to_pylist()) for table in tables["shift_selectivity"]}
    every = [row for rows in selectivity.values() for row in rows]
    for row, p_corrected in zip(every, corrected(every), strict=True):
        row["p_corrected"] = p_corrected
    found = []
    for table in tables["shift_tests"]:
        name = heading(table.keys)
        rows = headline(row for row in table.data.to_pylist() if row["dataset"] is None)
        selective = {row["set_name"]: row for row in selectivity[name]}
        order = looks.in_order(row["set_name"] for row in rows)
        sets = [
            {"name": each, "rows": [row for row in rows if row["set_name"] == each], "selectivity": selective.get(each)}
            for each in order
        ]
        found.append({"name": name, "sets": sets, "sentence": sentence(sets)})
    return found


def headline(rows: Iterable[Row]) -> list[Row]:
    """One row for each set and group: that of its headline kind of control, which comes first."""
    found: dict[tuple[str, str | None], Row] = {}
    for row in rows:
        found.setdefault((row["set_name"], row.get("group")), row)
    return list(found.values())


def sentence(sets: Sequence[Row]) -> str:
    """Which sets move the states of their own group more than those of others, and more so than every control.

    Args:
        sets: of one run, with `p_corrected` in the row of their selectivity.
    """
    told = [each for each in sets if each["selectivity"]]
    by_verdict: dict[str, list[str]] = {}
    for each in told:
        row = each["selectivity"]
        by_verdict.setdefault(named(row), []).append(f"{each['name']} ({number(row['selectivity'])})")
    parts = {
        "beyond_controls": "move the states of their own group more than those of others, by more than every control",
        "unsure": "do so by more than every control, but their interval reaches 0 or is not known",
        "by_chance": "do so by more than every control, as the best of as many random sets may",
        "within_controls": "do so by no more than some control",
        "unmatchable": "have no controls that write as much, so that it cannot be told",
        "too_few_controls": "have too few controls for any p below 0.05",
        "no_controls": "have no controls",
    }
    said = [f"{', '.join(by_verdict[key])} {text}" for key, text in parts.items() if key in by_verdict]
    return f"{'; '.join(said)}." if said else "No set has a group of its own and another one to compare it with."


def named(row: Row) -> str:
    """The verdict on a selectivity, or why one above every control is not named: `by_chance` or `unsure`."""
    if row["verdict"] != BEYOND:
        return str(row["verdict"])
    if row["p_corrected"] is None or row["p_corrected"] >= LARGEST_P:
        return "by_chance"
    return BEYOND if (row["interval_low"] or 0) > 0 else "unsure"
