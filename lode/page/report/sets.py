"""How large the sets are: neurons chosen, shared with other sets, unique."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lode.figure import Looks, Table, by_site, groups_in_effect, heading, method_sets

Row = dict[str, Any]


#: Of 20 controls drawn within blocks of 8, 19 or more differ for 0 %, 12 %, 90 % of sets of one, two, three neurons.
FEWEST_ASKED = 3


def set_sizes(table: Table, looks: Looks, num_asked: int | None, few: Sequence[Row] = ()) -> Row:
    """How many neurons each set has, how many of them another set has too, and how many differ in all.

    Args:
        table: a neurons table.
        looks: in which order sets come.
        num_asked: floor(ratio * layers * neurons), if known.
        few: of `few_at`.
    """
    rows: list[Row] = []
    num_unique = 0
    for part in by_site(table):
        of_site, count = _rows(part, looks)
        num_unique += count
        rows += [{"site": part.keys.get("site", ""), **row} for row in of_site]
    draws = table.data.filter(pc.equal(table.data["kind"], "control"))["control_draw"].unique()
    chosen = sum(row["num_neurons"] for row in rows)
    totals = {
        "num_asked": num_asked,
        "num_chosen": chosen,
        "num_unique": num_unique,
        "num_draws": len(draws),
        "few": few,
    }
    return {"heading": heading(table.keys), "rows": rows, **totals}


def _rows(part: Table, looks: Looks) -> tuple[list[Row], int]:
    """A row for every set of one site, and how many neurons of all differ."""
    sets = method_sets(part.data, looks)
    parts = {name: pairs for name, pairs in sets.items() if name != "all" or len(sets) == 1}
    unique, times = np.unique(np.concatenate(list(parts.values())), axis=0, return_counts=True)
    repeated = {tuple(pair) for pair in unique[times > 1].tolist()}
    effective = groups_in_effect(part.data)
    rows = [
        {
            "name": name,
            "num_neurons": len(pairs),
            "num_shared": sum(tuple(pair) in repeated for pair in pairs.tolist()),
            "layers": f"{pairs[:, 0].min()} to {pairs[:, 0].max()}",
            "effective": _known(effective, name, 0),
            "effective_controls": _known(effective, name, 1),
        }
        for name, pairs in parts.items()
    ]
    return rows, len(unique)


def _known(effective: Mapping[str, tuple[float, float]], name: str, place: int) -> float | None:
    """A number that there is, else None."""
    value = effective[name][place] if name in effective else math.nan
    return None if math.isnan(value) else value


def record_of(table: Table, records: Sequence[Row]) -> Row:
    """What the select stage recorded of a neurons table."""
    what = "/".join(table.keys.values())
    return next(record for record in records if (record["kind"], record["what"]) == ("neurons", what))


def num_asked(table: Table, records: Sequence[Row]) -> int | None:
    """The K of the selection, which the select stage recorded."""
    return record_of(table, records).get("num_asked")


def few_at(table: Table, records: Sequence[Row]) -> list[Row]:
    """The sites at which the ratio asks for fewer than three neurons a group, with K and the number of groups.

    How wide a site is, is known once the model is there, so that the report says it and no check before a run.
    """
    record = record_of(table, records)
    groups = record.get("num_groups_of_site", {})
    found = [
        {"site": site, "num_asked": asked, "num_groups": groups[site]}
        for site, asked in record.get("num_asked_of_site", {}).items()
    ]
    return [row for row in found if row["num_asked"] < FEWEST_ASKED * row["num_groups"]]
