"""What compared states say: verdicts of convergence, alignment of contents, probing and telomeres, where they were."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lode.figure import Table, heading
from lode.statistics.shift import LARGEST_P

Row = dict[str, Any]
CLEAN, RAW, UNIT = "clean", "raw", "unit"
PROBING, TELOMERE = "probing", "telomere"
NUM_MEASURES = 4


def state_rows(tables: Mapping[str, Sequence[Table]]) -> dict[str, list[Row]]:
    """By table the rows of the section; none where nothing was compared.

    Args:
        tables: `convergence`, `phenomena` and `alignment`, none of those that the run has not.
    """
    makers = {"convergence": convergence_rows, "phenomena": phenomena_rows, "alignment": alignment_rows}
    return {name: [row for table in tables.get(name, ()) for row in make(table)] for name, make in makers.items()}


def named(table: Table) -> str:
    """The model, and the benchmark where there is one."""
    return " · ".join([heading(table.keys), *([table.keys["dataset"]] if "dataset" in table.keys else [])])


def convergence_rows(table: Table) -> list[Row]:
    """A row a pair of groups: the verdict in each space, and under every variant; halves of a group among them."""
    found: dict[tuple[str, str], Row] = {}
    for row in table.data.to_pylist():
        key = row["group_a"], row["group_b"]
        halves = key[0] == key[1]
        pair = f"halves of {key[0]}" if halves else f"{key[0]} – {key[1]}"
        new = {"what": named(table), "pair": pair, "halves": halves, "num_tokens": row["num_tokens"], "nulls": {}}
        of = found.setdefault(key, new)
        said = verdict(row)
        if row["variant"] == CLEAN:
            of[row["space"]] = said
        elif row["space"] == RAW:
            of["nulls"][row["variant"].replace("_", " ")] = said
    rows = sorted(found.values(), key=lambda row: bool(row["halves"]))
    return [{**row, "nulls": "; ".join(f"{name}: {said}" for name, said in row["nulls"].items())} for row in rows]


def verdict(row: Mapping[str, Any]) -> str:
    """The verdict of a pair in words, and of how many measures where not all four can move."""
    since = "" if row["verdict_layer"] is None else f" from state {row['verdict_layer']}"
    of = "" if row["num_measures"] == NUM_MEASURES else f" (of {row['num_measures']} measures)"
    return f"{row['verdict'].replace('_', ' ')}{since}{of}"


def of_last(rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
    """By variant and group the row of the last state of each phenomenon."""
    return {
        (row["phenomenon"], row["variant"], row["group"]): row for row in sorted(rows, key=lambda row: row["layer"])
    }


def phenomena_rows(table: Table) -> list[Row]:
    """A row a group: both indices at the last state, and how long they last."""
    last = of_last(table.data.to_pylist())
    groups = dict.fromkeys(group for _, _, group in last)
    return [
        {"what": named(table), "group": group, PROBING: last[PROBING, CLEAN, group],
         TELOMERE: last.get((TELOMERE, CLEAN, group))}
        for group in groups
    ]  # fmt: skip


def alignment_rows(table: Table) -> list[Row]:
    """A row a place: its last state, and at how many states it is told from permuted contents, and so of each null."""
    by_place: dict[tuple[str, ...], dict[str, list[Row]]] = {}
    for row in sorted(table.data.to_pylist(), key=lambda row: int(row["layer"])):
        key = tuple(row[name] for name in ("form_a", "form_b", "group_a", "group_b"))
        by_place.setdefault(key, {}).setdefault(row["variant"], []).append(row)
    found = []
    for (one, other, first, second), variants in by_place.items():
        counts = {name.replace("_", " "): told(rows) for name, rows in variants.items()}
        clean = counts.pop(CLEAN)
        place = f"last token, {one}, {other}" if first == second == "last" else f"{first} of {one}, {second} of {other}"
        nulls = "; ".join(f"{name}: {count}" for name, count in counts.items())
        found.append({"what": named(table), "place": place, "last": variants[CLEAN][-1], "told": clean, "nulls": nulls})
    return found


def told(rows: Sequence[Row]) -> str:
    """At how many states CKA has p of at most 0.05, of those where it is defined."""
    known = [row["p_value"] for row in rows if row["p_value"] is not None]
    return f"{sum(p <= LARGEST_P for p in known)} of {len(known)}"
