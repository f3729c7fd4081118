"""How large the sets are: neurons chosen, shared with other sets, unique."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lode.figure import Looks, Table, heading, method_sets

Row = dict[str, Any]


def set_sizes(table: Table, looks: Looks, num_asked: int | None) -> Row:
    """How many neurons each set has, how many of them another set has too, and how many differ in all.

    Args:
        table: a neurons table.
        looks: in which order sets come.
        num_asked: floor(ratio * layers * neurons), if known.
    """
    sets = method_sets(table.data, looks)
    parts = {name: pairs for name, pairs in sets.items() if name != "all" or len(sets) == 1}
    unique, times = np.unique(np.concatenate(list(parts.values())), axis=0, return_counts=True)
    repeated = {tuple(pair) for pair in unique[times > 1].tolist()}
    rows = [
        {
            "name": name,
            "num_neurons": len(pairs),
            "num_shared": sum(tuple(pair) in repeated for pair in pairs.tolist()),
            "layers": f"{pairs[:, 0].min()} to {pairs[:, 0].max()}",
        }
        for name, pairs in parts.items()
    ]
    draws = table.data.filter(pc.equal(table.data["kind"], "control"))["control_draw"].unique()
    chosen = sum(map(len, parts.values()))
    totals = {"num_asked": num_asked, "num_chosen": chosen, "num_unique": len(unique), "num_draws": len(draws)}
    return {"heading": heading(table.keys), "rows": rows, **totals}


def num_asked(table: Table, records: Sequence[Row]) -> int | None:
    """The K of the selection, which the select stage recorded."""
    what = "/".join(table.keys.values())
    return next(record for record in records if (record["kind"], record["what"]) == ("neurons", what)).get("num_asked")
