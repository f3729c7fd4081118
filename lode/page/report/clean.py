"""The unmodified model on every benchmark: what there is to lose, and how small a loss could be seen."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lode.figure import Table

Row = dict[str, Any]


def clean_scores(scores: Iterable[Table], visible: Mapping[str, float]) -> list[Row]:
    """The unmodified model by every outcome, each once, with the chance level and what it does without the medium.

    Rows that differ between selections all stay.

    Args:
        scores: tables of scores.
        visible: by benchmark the smallest visible drop of a score in [0, 1].
    """
    found = []
    for table in scores:
        rows = [row for row in table.data.to_pylist() if row["kind"] in ("clean", "blanked", "constant")]
        for clean in (row for row in rows if row["kind"] == "clean"):
            beside = {row["kind"]: row for row in rows if row["score_name"] == clean["score_name"]}
            others = {"chance": beside["constant"]["value"], "blanked": beside.get("blanked")}
            smallest = None if clean["unit"] == "nats" else visible[clean["dataset"]]
            further = {**others, "visible": smallest, "finding": finding(clean, beside)}
            found.append({"model": table.keys["model"], **clean, **further})
    return list({json.dumps(row, sort_keys=True): row for row in found}.values())


def finding(clean: Row, beside: Mapping[str, Row]) -> str:
    """What the clean value is worth, from its interval: known from chance, and in need of the medium."""
    if clean["interval_low"] <= beside["constant"]["value"]:
        return "not above chance: nothing can be told here"
    needs_medium = clean["outcome"] != "stopping"  # how to end a reply is no matter of the medium
    if needs_medium and "blanked" in beside and beside["blanked"]["interval_high"] >= clean["interval_low"]:
        return "not clearly worse without its medium"
    return ""
