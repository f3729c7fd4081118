"""The first lines of the page: for each model one sentence, and a line a set; the verdicts hold over the whole report.

The primary outcome is the content of the gold answer. What a set costs in stopping stands apart, and decides nothing.
"""

from collections.abc import Sequence
from typing import Any

from lode.figure import Looks, beats_controls
from lode.page.report.numbers import interval, number
from lode.page.report.runs import PARTS, where

Row = dict[str, Any]
#: How a verdict is written; of several runs of a set the first counts.
VERDICT_NAMES = {
    "specific": "specific",
    "not_specific": "not shown to be specific",
    "cannot_be_told": "cannot be told here",
}


def openings(found: Sequence[Row], looks: Looks) -> list[Row]:
    """For each model what its sets come to.

    Args:
        found: the runs (`lode/page/report/runs.py`).
        looks: in which order sets come.
    """
    models: dict[str, list[Row]] = {}
    for entry in found:
        models.setdefault(entry["keys"]["model"], []).append(entry)
    opened = []
    for model, entries in models.items():
        verdicts = [row for entry in entries for row in entry["verdicts"] if row["outcome"] == "content"]
        effects = [{**row, "where": where(entry["keys"])} for entry in entries for row in entry["effects"]]
        names = looks.in_order(row["set_name"] for row in verdicts)
        sets = [
            set_line([v for v in verdicts if v["set_name"] == name], [e for e in effects if e["set_name"] == name])
            for name in names
        ]
        opened.append(
            {"model": model, "sentence": conclusion(verdicts, model, looks), "best": best_of(verdicts), "sets": sets}
        )
    return opened


def conclusion(rows: Sequence[Row], model: str, looks: Looks) -> str:
    """One sentence on a model: which sets are specific, which are not, of which it cannot be told, and why.

    Args:
        rows: of the verdicts table, of outcome `content`.
        model: whose verdicts to tell.
        looks: in which order sets come.
    """
    by_verdict: dict[str, list[str]] = {verdict: [] for verdict in VERDICT_NAMES}
    of_model = [row for row in rows if row["model"] == model]
    for name in looks.in_order(row["set_name"] for row in of_model):
        row = most_telling([row for row in of_model if row["set_name"] == name])
        why = {"specific": f" ({where(row)})", "not_specific": "", "cannot_be_told": f" ({row['reason']})"}
        by_verdict[row["verdict"]].append(f"{name}{why[row['verdict']]}")
    specific, others, untold = by_verdict.values()
    parts = [f"Specific to its group: {', '.join(specific)}"] if specific else []
    if others:
        none = "Not shown to be specific" if specific else "No set is shown to be specific to its group"
        parts.append(f"{none}: {', '.join(others)}")
    if untold:
        parts.append(f"Cannot be told here: {', '.join(untold)}")
    return f"{'. '.join(parts)}." if parts else "No set was switched, so nothing can be told."


def most_telling(rows: Sequence[Row]) -> Row:
    """Of the runs of a set the one to show: where it is specific, or can be told, and there most selective."""
    order = list(VERDICT_NAMES)
    return min(rows, key=lambda row: (order.index(row["verdict"]), -(row["selectivity"] or 0)))


def best_of(verdicts: Sequence[Row]) -> str:
    """The most selective of all tests of a model, with the interval that holds for the best of as many."""
    told = [row for row in verdicts if row["simultaneous_low"] is not None]
    if not told:
        return ""
    best = max(told, key=lambda row: row["selectivity"])
    sets, tests = number(best["num_tests"]), number(best["num_at_stake"])
    least = number(best["selectivity"] - best["simultaneous_low"])
    return (
        f"Over all runs of this report {sets} sets have matched controls, and in {tests} of them something is lost: p "
        "is corrected over these, intervals over all of them. The most selective of this model: "
        f"{best['set_name']} in {where(best)}, {number(best['selectivity'])}; as the best of {sets}, "
        f"{interval(best, 'simultaneous')}. Only a selectivity above about {least} could be told from none there."
    )


def set_line(verdicts: Sequence[Row], effects: Sequence[Row]) -> Row:
    """What the line of a set says.

    Args:
        verdicts: of its runs.
        effects: of its runs, with `where`.
    """
    row = most_telling(verdicts)
    chosen = [verdict for verdict in verdicts if verdict["num_neurons"]]
    num_specific = sum(verdict["verdict"] == "specific" for verdict in verdicts)
    called = VERDICT_NAMES[row["verdict"]]
    if num_specific and len(verdicts) > 1:
        called += f" in {number(num_specific)} of {number(len(verdicts))} runs"
    return {
        "name": row["set_name"],
        "called": called,
        "row": row,
        "where": where(row),
        "num_runs": len(verdicts),
        "costs": costs(effects) if chosen else "nothing: it has no neuron",
    }


def costs(effects: Sequence[Row]) -> str:
    """How often a set loses more than every one of its controls, content and stopping apart, and how much at most.

    Counts, beside how many chance would give: no test of its own, which the verdict is.
    """
    told = [row for row in effects if row["measurable"]]
    if not told:
        return "the unmodified model is above chance nowhere, so nothing can be said of what it costs"
    if not any(row["num_controls"] for row in told):
        return "no controls, so what it costs beyond chance is not known"
    said = []
    for part in PARTS:
        rows = [row for row in told if row["outcome"] == part]
        beaten, expected = sum(map(beats_controls, rows)), sum(1 / (1 + row["num_controls"]) for row in rows)
        most = max(rows, key=lambda row: row["drop"])
        said.append(
            f"{part}: more lost than by every control in {number(beaten)} of {number(len(rows))} comparisons (a random "
            f"set: {number(expected)} on average), at most {number(most['drop'])} nats ({of_it(most)}on "
            f"{most['dataset']} in {most['where']})"
        )
    return "; ".join(said)


def of_it(effect: Row) -> str:
    """A drop of content as a share of what there is to lose; of stopping nats alone, which know no such end."""
    if effect["outcome"] != "content":
        return ""
    return f"{number(effect['share'])} of it, " if effect["share"] <= 1 else "all it has above chance and more, "
