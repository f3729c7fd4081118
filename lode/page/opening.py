"""The first lines of the page: for each model one sentence, and a line a set; the verdicts hold over the whole report.

The primary outcome is the content of the gold answer. What a set costs in stopping stands apart, and decides nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lode.control import UNMATCHABLE
from lode.figure import beats_controls, in_order
from lode.page.numbers import interval, number
from lode.page.runs import PARTS, where

Row = dict[str, Any]
#: How a verdict is written; of several runs of a set the first counts.
VERDICTS = {"specific": "specific", "not_specific": "not specific", "cannot_be_told": "cannot be told here"}


def openings(found: Sequence[Row]) -> list[Row]:
    """For each model what its sets come to.

    Args:
        found: the runs (`lode/page/runs.py`).
    """
    models: dict[str, list[Row]] = {}
    for entry in found:
        models.setdefault(entry["keys"]["model"], []).append(entry)
    opened = []
    for model, entries in models.items():
        verdicts = [row for entry in entries for row in entry["verdicts"] if row["outcome"] == "content"]
        effects = [{**row, "where": where(entry["keys"])} for entry in entries for row in entry["effects"]]
        names = in_order(row["set_name"] for row in verdicts)
        sets = [
            set_line([v for v in verdicts if v["set_name"] == name], [e for e in effects if e["set_name"] == name])
            for name in names
        ]
        opened.append(
            {"model": model, "sentence": conclusion(verdicts, model), "best": best_of(verdicts), "sets": sets}
        )
    return opened


def conclusion(rows: Sequence[Row], model: str) -> str:
    """One sentence on a model: which sets are specific, which are not, of which it cannot be told, and why.

    Args:
        rows: of the verdicts table, of outcome `content`.
        model: whose verdicts to tell.
    """
    by_verdict: dict[str, list[str]] = {verdict: [] for verdict in VERDICTS}
    of_model = [row for row in rows if row["model"] == model]
    for name in in_order(row["set_name"] for row in of_model):
        row = most_telling([row for row in of_model if row["set_name"] == name])
        why = {"specific": f" ({where(row)})", "not_specific": "", "cannot_be_told": f" ({row['reason']})"}
        by_verdict[row["verdict"]].append(f"{name}{why[row['verdict']]}")
    specific, others, untold = by_verdict.values()
    parts = [f"Specific to its modality: {', '.join(specific)}"] if specific else []
    if others:
        parts.append(f"{'Not specific' if specific else 'No set is specific to its modality'}: {', '.join(others)}")
    if untold:
        parts.append(f"Cannot be told here: {', '.join(untold)}")
    return f"{'. '.join(parts)}." if parts else "No set was switched, so nothing can be told."


def most_telling(rows: Sequence[Row]) -> Row:
    """Of the runs of a set the one to show: where it is specific, or can be told, and there most selective."""
    order = list(VERDICTS)
    return min(rows, key=lambda row: (order.index(row["verdict"]), -(row["selectivity"] or 0)))


def best_of(verdicts: Sequence[Row]) -> str:
    """The most selective of all tests of a model, with the interval that holds for the best of as many."""
    told = [row for row in verdicts if row["verdict"] != "cannot_be_told"]
    if not told:
        return ""
    best = max(told, key=lambda row: row["selectivity"])
    tests = "1 test" if best["num_tests"] == 1 else f"{number(best['num_tests'])} tests together"
    return (
        f"Corrected over {tests}, all sets and runs of this report that can be told. The most selective set of this "
        f"model: {best['set_name']} in {where(best)}, {number(best['selectivity'])}; as the best of so many, "
        f"{interval(best, 'simultaneous')}. Only a selectivity above about "
        f"{number(best['selectivity'] - best['simultaneous_low'])} could be told from none there."
    )


def set_line(verdicts: Sequence[Row], effects: Sequence[Row]) -> Row:
    """What the line of a set says.

    Args:
        verdicts: of its runs.
        effects: of its runs, with `where`.
    """
    row = most_telling(verdicts)
    num_specific = sum(verdict["verdict"] == "specific" for verdict in verdicts)
    called = VERDICTS[row["verdict"]]
    if num_specific and len(verdicts) > 1:
        called += f" in {number(num_specific)} of {number(len(verdicts))} runs"
    return {
        "name": row["set_name"],
        "called": called,
        "row": row,
        "where": where(row),
        "num_runs": len(verdicts),
        "costs": costs(effects),
        "unmatchable": unmatchable(row),
    }


def unmatchable(row: Mapping[str, Any]) -> str:
    """Says so where the controls write much less than the set; else empty."""
    ratio = row["magnitude_ratio"]
    if ratio is None or ratio >= UNMATCHABLE:
        return ""
    return f"unmatchable: its controls reach only {number(ratio)} of what the set writes"


def costs(effects: Sequence[Row]) -> str:
    """Whether a set costs content, stopping, both or neither, and how many nats of each at most.

    It costs something where, on some benchmark, the interval of the drop lies above 0 and the drop above that of every
    control.
    """
    told = [row for row in effects if row["measurable"]]
    lost = []
    most = []
    for part in PARTS:
        rows = [row for row in told if row["outcome"] == part]
        if any(row["interval_low"] > 0 and beats_controls(row) for row in rows):
            lost.append(part)
        for row in sorted(rows, key=lambda row: -row["drop"])[:1]:
            place = f"{number(row['share'])} of it, on {row['dataset']} in {row['where']}"
            most.append(f"{part} by at most {number(row['drop'])} nats ({place})")
    kept = [part for part in PARTS if part not in lost]
    if not most:
        return "costs nothing that can be told: the unmodified model is above chance nowhere"
    if not any(row["num_controls"] for row in told):
        said = "no controls, so what it costs beyond chance is not known"
    elif len(lost) == 1:
        said = f"costs {lost[0]}, not {kept[0]}"
    else:
        said = "costs content and stopping" if lost else "costs neither content nor stopping beyond its controls"
    return f"{said}: {', '.join(most)}"
