"""What each set costs in each run (model, selection, intervention): content and stopping apart, beside its controls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lode.figure import Looks, Table, beats_controls, first_controls, heading
from lode.page.report.numbers import interval, number

Row = dict[str, Any]
#: The outcomes that a reply can be lost by; of both there are nats for every set and every control.
PARTS = ("content", "stopping")
_TEST = ("outcome", "dataset", "set_name", "control_kind")


def runs(tables: Mapping[str, Sequence[Table]], looks: Looks) -> list[Row]:
    """What the page says of each model, selection and intervention.

    Args:
        tables: by kind: `effects`, `scores`, `comparisons`, `selectivity`, and one of `verdicts`.
        looks: in which order sets come.
    """
    found: dict[str, Row] = {}
    for table in tables["effects"]:
        name = heading(table.keys)
        entry = found.setdefault(name, {"name": name, "keys": table.keys, "by_kind": [], "replies": []})
        entry["by_kind"] += table.data.to_pylist()
    for table in tables["scores"]:
        found[heading(table.keys)]["replies"] += replies(table.data.to_pylist())
    for kind in ("comparisons", "selectivity"):
        for table in tables[kind]:
            found[heading(table.keys)][kind] = table.data.to_pylist()
    judged = [row for table in tables["verdicts"] for row in table.data.to_pylist()]
    for entry in found.values():
        entry["verdicts"] = [row for row in judged if is_of(row, entry["keys"])]
        _finish(entry, looks)
    return list(found.values())


def is_of(verdict: Row, keys: Mapping[str, str]) -> bool:
    """Whether a verdict is on a set of the run with these keys."""
    return all(verdict[name] == keys[name] for name in ("model", "selection", "intervention"))


def where(row: Mapping[str, str]) -> str:
    """The run of one model, in short."""
    return f"{row['selection']} · {row['intervention']}"


def _finish(entry: Row, looks: Looks) -> None:
    """What follows from the tables of a run."""
    entry["effects"] = first_controls(entry["by_kind"])
    entry["kinds"] = list(dict.fromkeys(row["control_kind"] for row in entry["by_kind"] if row["num_controls"]))
    entry["sets"] = looks.in_order(row["set_name"] for row in entry["effects"])
    sizes = {(row["set_name"], row["num_neurons"]) for row in entry["effects"]}
    entry["sizes"] = {name: sorted(size for other, size in sizes if other == name) for name in entry["sets"]}
    rows = cells(entry["effects"], entry["comparisons"])
    entry["shown"] = [row for row in rows if row["measurable"] and row["loses"]]
    entry["nothing"] = [row for row in rows if row["measurable"] and not row["loses"]]
    entry["untold"] = [row for row in rows if not row["measurable"]]
    entry["largest_of_nothing"] = largest_of_nothing(entry["nothing"])
    entry["left_out"] = left_out(entry["verdicts"])
    entry["sentences"] = [sentence(entry["effects"], part, entry["keys"]["intervention"], looks) for part in PARTS]
    entry["largest_drops"] = largest_drops(entry["effects"], looks)
    entry["chance"] = chance(entry["effects"])


def replies(scores: Iterable[Row]) -> list[Row]:
    """One row for the clean model, for it without the medium, and for each set, of a scores table: what was written."""
    kinds = ("clean", "blanked", "method")
    return [row for row in scores if row["outcome"] == "content" and row["kind"] in kinds]


def loses(effect: Row) -> bool:
    """Whether a set costs anything: the interval of its drop lies above 0, and three decimals show it."""
    return bool(effect["interval_low"] > 0 and effect["drop"] >= 0.0005)


def cells(effects: Iterable[Row], comparisons: Iterable[Row]) -> list[Row]:
    """One row a benchmark and score, with the effect of each set; where it is compared, with p after Holm."""
    compared = {tuple(row[name] for name in _TEST): row for row in comparisons}
    common = ("dataset", "outcome", "score_name", "unit", "clean", "chance", "measurable")
    rows: dict[tuple[str, str], Row] = {}
    for effect in effects:
        key = (effect["dataset"], effect["score_name"])
        row = rows.setdefault(key, {**{name: effect[name] for name in common}, "by_set": {}, "loses": False})
        further = compared.get(tuple(effect[name] for name in _TEST), {"p_holm": None, "own": None})
        row["loses"] |= loses(effect)
        row["by_set"][effect["set_name"]] = {
            **effect,
            "beats": effect["measurable"] and beats_controls(effect),
            "p_holm": further["p_holm"],
            "own": further["own"],
        }
    for row in rows.values():
        row["num_controls"] = sorted({effect["num_controls"] for effect in row["by_set"].values()})
    return list(rows.values())


def left_out(verdicts: Iterable[Row]) -> list[str]:
    """Benchmarks on which nothing can be told, with the outcomes for which this holds."""
    found: dict[str, list[str]] = {}
    for row in verdicts:
        for dataset in row["unmeasurable"]:
            found.setdefault(dataset, []).append(row["outcome"])
    return [f"{dataset} ({', '.join(dict.fromkeys(outcomes))})" for dataset, outcomes in found.items()]


def largest_of_nothing(rows: Sequence[Row]) -> list[str]:
    """For each unit, the largest drop among rows in which nothing is lost."""
    by_unit: dict[str, list[float]] = {}
    for row in rows:
        drops = [effect["drop"] for effect in row["by_set"].values()]
        by_unit.setdefault("nats" if row["unit"] == "nats" else "of a score", []).extend(drops)
    return [f"{number(max(drops))} {unit}" for unit, drops in by_unit.items()]


def sentence(effects: Sequence[Row], outcome: str, intervention: str, looks: Looks) -> str:
    """In plain words, which sets cost more than each of their own matched controls, and where.

    Args:
        effects: of every set and benchmark; of one without anything to lose nothing is said.
        outcome: `content` or `stopping`: what is lost.
        intervention: what was done to the sets.
        looks: in which order sets come.
    """
    rows = [row for row in effects if row["outcome"] == outcome and row["measurable"]]
    if not rows:
        return f"The unmodified model is not above chance in {outcome} on any benchmark, so no set can cost any."
    if not any(row["num_controls"] for row in rows):
        return f"No controls were drawn, so nothing can be said about the {outcome} that a set costs beyond chance."
    done = "Switching off" if intervention == "zero" else f"Applying {intervention} to"
    wins: list[str] = []
    never: list[str] = []
    for name in looks.in_order(row["set_name"] for row in rows):
        own = [row for row in rows if row["set_name"] == name]
        num_wins = sum(map(beats_controls, own))
        called = "all sets together" if name == "all" else name
        if num_wins:
            noun = "" if wins else " benchmarks"
            wins.append(f"{number(num_wins)} of {number(len(own))}{noun} for {called}")
        else:
            never.append(called)
    if not wins:
        return f"{done} a set never cost more {outcome} than each of its matched controls, on any benchmark."
    rest = f"; never for {' and '.join(never)}" if never else ""
    return f"{done} a set cost more {outcome} than each of its matched controls on {', '.join(wins)}{rest}."


def largest_drops(effects: Sequence[Row], looks: Looks) -> list[str]:
    """For each set, the benchmarks where it costs most content and most stopping, beside its controls there."""
    effects = [row for row in effects if row["measurable"]]
    found = []
    for name in looks.in_order(row["set_name"] for row in effects):
        parts = []
        for part in PARTS:
            of_part = [row for row in effects if (row["set_name"], row["outcome"]) == (name, part)]
            if not of_part:
                continue
            row = max(of_part, key=lambda row: row["drop"])
            controls = f"its {number(row['num_controls'])} controls at most {number(row['control_drop_max'])}"
            parts.append(
                f"most {part} on {row['dataset']}, {number(row['drop'])} nats {interval(row)}{out_of(row)}, "
                f"{controls if row['num_controls'] else 'no controls'}"
            )
        found.append(f"{name}: {'; '.join(parts)}")
    return found


def out_of(effect: Row) -> str:
    """Of how much a drop of content is; of stopping, which has no such end, the nats say all there is."""
    full = effect["clean"] - effect["chance"]
    if effect["outcome"] != "content":
        return ""
    return f"{' of' if effect['drop'] <= full else ', more than the'} {number(full)} above chance"


def chance(effects: Sequence[Row]) -> str:
    """How many comparisons of content and stopping beat all controls, against how many would if sets were random."""
    rows = [row for row in effects if row["outcome"] in PARTS and row["measurable"]]
    wins = sum(map(beats_controls, rows))
    expected = sum(1 / (1 + row["num_controls"]) for row in rows if row["num_controls"])
    return (
        f"{number(wins)} of {number(len(rows))} comparisons of content and stopping beat every control; "
        f"random sets would do so in at most {number(expected)} of them on average."
    )
