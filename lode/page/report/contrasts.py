"""What sets cost one kind of sample and not another, as it was declared before anything was seen."""

from collections.abc import Sequence
from typing import Any

from lode.figure import Looks, Table, heading

Row = dict[str, Any]
#: The run with every medium blank, among the sets.
BLANK = "blank"


def contrast_runs(tables: Sequence[Table], looks: Looks) -> list[Row]:
    """What the page says of the contrasts of each run and benchmark; of none where none is declared.

    Args:
        tables: `contrasts`, one a run and benchmark.
        looks: in which order sets come; the blank run stands before them.
    """
    found = []
    for table in tables:
        headline: dict[tuple[str, str, str], Row] = {}
        for row in table.data.to_pylist():
            headline.setdefault((row["contrast_name"], row["score_name"], row["set_name"]), row)
        order = [BLANK, *looks.in_order({name for _, _, name in headline} - {BLANK})]
        rows = sorted(headline.values(), key=lambda row: order.index(row["set_name"]))
        for name, score in dict.fromkeys(key[:2] for key in headline):
            of_score = [row for row in rows if (row["contrast_name"], row["score_name"]) == (name, score)]
            title = " · ".join([heading(table.keys), of_score[0]["dataset"], score])
            found.append({"title": title, "asks": asks(of_score[0]), "rows": of_score})
    return found


def asks(row: Row) -> str:
    """What a contrast compares, in words."""
    within = f", within equal {row['within']} ({', '.join(row['parts'])})" if row["within"] else ""
    one, other = f"{row['one']} ({row['num_one']} samples)", f"{row['other']} ({row['num_other']})"
    return f"{row['contrast_key']} {one} less {other}{within}"
