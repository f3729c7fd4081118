"""Compare the benchmarks of one model, selection and intervention: does a set cost more where it should?

Reads `effects` and `sample_scores` of every benchmark. Writes `comparisons` (the matrix: a row per outcome, set,
benchmark and kind of control, with p-values after Holm) and `selectivity` (a row per outcome, set and kind of control).

Benchmarks are compared in shares of what there is to lose, drop / (clean - chance), never in scores of different
units; one whose unmodified model is not above chance has no share and is left out. Which benchmarks are a set's own its
grouping says (`config/grouping/`), from what every sample of them holds. A set that has no benchmark of its own, as the
union `all`, or no other one, has no selectivity (null).

Whether a set is specific is decided over all runs of a report together, by `judge_sets`. The family of Holm's
correction of the matrix is declared before any result is seen: all (set, benchmark) pairs of the table, within one
outcome and kind of control. With R controls and m tests the smallest p that can come out is m / (1 + R).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lode.config import GroupingSection, StepConfig
from lode.control import headline_first
from lode.engine.errors import UserError
from lode.engine.tables import Table, read_table, write_table
from lode.grouping import PROMPT, grouping_of
from lode.scoring import COMPARED, UNITS
from lode.statistics.intervals import LEVEL, drop_intervals, effective_clusters, mean_intervals
from lode.statistics.selectivity import selectivity_intervals, share_weights, specificity_f
from lode.statistics.significance import holm
from lode.table.comparisons import COMPARISONS
from lode.table.effects import EFFECTS
from lode.table.sample_scores import SAMPLE_SCORES
from lode.table.selectivity import SELECTIVITY

Row = dict[str, Any]
#: By benchmark the parts that every sample holds; and from a set to whether each benchmark is its own.
Parts = Mapping[str, Sequence[str]]
Owned = Callable[[str], dict[str, bool] | None]


class Benchmark(NamedTuple):
    """What switching each set costs on one benchmark, by one outcome.

    Attributes:
        keys: what identifies each set of the method and each control, by its name: columns of the sample scores.
        full: clean - chance, what there is to lose; None where it cannot be measured.
        means: clean - switched, by set name.
        drops: the same of every sample, by the name of a method set.
        clusters: of every sample; equal names mean equal content in every benchmark.
        is_bounded: whether values lie in [0, 1].
    """

    keys: Mapping[str, Row]
    full: float | None
    means: Mapping[str, float]
    drops: Mapping[str, np.ndarray]
    clusters: np.ndarray
    is_bounded: bool


def own_of(section: GroupingSection, parts: Parts, set_name: str) -> dict[str, bool] | None:
    """Which benchmarks are a set's own; None where none is, as for the union of all sets, and for all tokens.

    Args:
        section: what is compared, and which groups have other own benchmarks than those that hold all their parts.
        parts: by benchmark what every sample holds.
        set_name: a group, or `all`.
    """
    groups = grouping_of(section).groups
    if set_name not in groups or set_name == PROMPT or set_name in section.no_own:
        return None
    without = set(section.own_without.get(set_name, ()))
    found = {
        name: not without & set(held) if without else set(groups[set_name]) <= set(held) for name, held in parts.items()
    }
    return found if any(found.values()) else None


def benchmark(table: pa.Table, name: str, effect: Row | None) -> Benchmark:
    """Drops of every set from the scores of samples.

    Args:
        table: sample scores of one outcome.
        name: the benchmark.
        effect: a row of its effects by that outcome, which says what there is to lose; None where no set was switched.
    """
    names, place, counts = np.unique(np.asarray(table["set_name"].to_pylist()), return_inverse=True, return_counts=True)
    if len(set(counts.tolist())) > 1 or "none" not in names:
        raise UserError(f"{name}: sets differ in their samples, or the clean one is missing; run the scoring again")
    order = np.lexsort((np.asarray(table["sample_id"].to_pylist()), place))
    values = table["value"].to_numpy()[order].reshape(len(names), -1)
    drops = values[names.tolist().index("none")] - values
    first = table.drop_columns(["value"]).take(order[:: values.shape[1]]).to_pylist()
    measurable = effect is not None and effect["measurable"]
    return Benchmark(
        keys={row["set_name"]: row for row in first if row["kind"] in ("method", "control")},
        full=effect["clean"] - effect["chance"] if effect is not None and measurable else None,
        means=dict(zip(names.tolist(), drops.mean(axis=1).tolist(), strict=True)),
        drops={row["set_name"]: drop for row, drop in zip(first, drops, strict=True) if row["kind"] == "method"},
        clusters=np.asarray(table["cluster_id"].to_pylist())[order][: values.shape[1]],
        is_bounded=UNITS[first[0]["unit"]] == (0, 1),
    )


def corrected(rows: Sequence[Row], p: str, family: Sequence[str]) -> list[float | None]:
    """P-values after Holm, in the order of the rows; rows without one stay without.

    Args:
        rows: of which those with equal `family` columns are one family.
        p: the column of the p-value.
        family: columns; with none of them all rows are one family.
    """
    found: list[float | None] = [None] * len(rows)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, row in enumerate(rows):
        if row[p] is not None:
            groups.setdefault(tuple(row[column] for column in family), []).append(place)
    for places in groups.values():
        for place, value in zip(places, holm([rows[i][p] for i in places]).tolist(), strict=True):
            found[place] = value
    return found


def comparison_rows(effects: Sequence[Row], owned: Owned) -> list[Row]:
    """The matrix: every effect by a compared outcome with its p-values after Holm."""
    rows = [{**effect} for effect in effects if effect["outcome"] in COMPARED]

    def test(row: Row) -> tuple[str, ...]:
        return row["outcome"], row["set_name"], row["dataset"]

    unique = list({test(row): row for row in rows}.values())  # kinds repeat McNemar's p
    mcnemar = dict(zip(map(test, unique), corrected(unique, "mcnemar_p", ("outcome",)), strict=True))
    family = ("outcome", "control_kind")
    sizes = [tuple(row[column] for column in family) for row in rows]
    for row, p_holm in zip(rows, corrected(rows, "p_value", family), strict=True):
        own = owned(row["set_name"])
        row["own"] = own and own[row["dataset"]]
        row["p_holm"], row["num_tests"] = p_holm, sizes.count(tuple(row[column] for column in family))
        row["mcnemar_p_holm"] = mcnemar[test(row)]
    return [{name: row[name] for name in COMPARISONS.schema.names} for row in rows]


def selectivity_rows(outcome: str, benchmarks: Mapping[str, Benchmark], owned: Owned) -> list[Row]:
    """One row per set and kind of control, with its selectivity where it has one.

    Args:
        outcome: what the drops are of.
        benchmarks: by name.
        owned: from a set to its own benchmarks, as `own_of`.
    """
    keys = next(iter(benchmarks.values())).keys
    common = {name: key for name, key in keys.items() if all(name in of.keys for of in benchmarks.values())}
    left_out = [name for name, of in benchmarks.items() if of.full is None]
    rows: list[Row] = []
    for name, key in common.items():
        if key["kind"] != "method":
            continue
        own = owned(name)
        controls = [other for other in common.values() if other["control_of"] == name]
        for kind in headline_first({other["control_kind"] for other in controls} or {""}):
            of_kind = sorted((o for o in controls if o["control_kind"] == kind), key=lambda o: o["control_draw"])
            row = {"set_name": name, "num_neurons": key["num_neurons"], "outcome": outcome, "unmeasurable": left_out}
            row |= {"control_kind": kind, "num_controls": len(of_kind)}
            rows.append(row | _selectivity([name, *(other["set_name"] for other in of_kind)], benchmarks, own))
    return rows


def _selectivity(names: Sequence[str], benchmarks: Mapping[str, Benchmark], own: Mapping[str, bool] | None) -> Row:
    """The selectivity of one set, the first of `names`, beside that of its controls of one kind."""
    of_own = [dataset for dataset in own or () if own and own[dataset]]
    found: Row = {"own": of_own, "others": [dataset for dataset in benchmarks if dataset not in of_own]}
    measurable = {name: of for name, of in benchmarks.items() if of.full is not None}
    if not set(of_own) & set(measurable) or not set(found["others"]) & set(measurable):
        return found
    is_own = np.array([dataset in of_own for dataset in measurable])
    full = np.array([of.full for of in measurable.values()])
    weights = share_weights(is_own, full)
    values = np.array([[of.means[name] for of in measurable.values()] for name in names]) @ weights
    shares = np.array([of.means[names[0]] for of in measurable.values()]) / full
    intervals, of_own_share = (
        selectivity_intervals(
            [of.drops[names[0]][None] for of in measurable.values()],
            [of.clusters for of in measurable.values()],
            of,
            [drop_intervals if of.is_bounded else mean_intervals for of in measurable.values()],
            LEVEL,
        )
        for of in (weights, np.where(is_own, weights, 0))
    )
    return found | {
        "share_own": float(shares[is_own].mean()),
        "share_own_low": float(of_own_share.low[0]),
        "share_others": float(shares[~is_own].mean()),
        "selectivity": float(values[0]),
        "standard_error": float(intervals.standard_error[0]),
        "interval_low": float(intervals.low[0]),
        "interval_high": float(intervals.high[0]),
        "wide_low": float(intervals.wide_low[0]),
        "wide_high": float(intervals.wide_high[0]),
        "effective_clusters": min(
            effective_clusters(np.unique(of.clusters, return_counts=True)[1]) for of in measurable.values()
        ),
        "specificity_f": specificity_f(shares, np.ones(len(shares)), is_own),
        "control_values": values[1:].tolist(),
        "control_mean": float(values[1:].mean()) if len(names) > 1 else None,
        "control_max": float(values[1:].max()) if len(names) > 1 else None,
    }


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.effects` and `io.sample_scores`; write `io.comparisons` and `io.selectivity`.

    Args:
        cfg: grouping, benchmark_parts, io.
        made_by: the provenance to record.

    Raises:
        UserError: the benchmarks of the tables and of the config differ, or a table holds no row.
    """
    parts = {str(name): list(held) for name, held in cfg.benchmark_parts.items()}
    owned = partial(own_of, cfg.grouping, parts)
    effects = [row for path in cfg.io["effects"] for row in _rows(path, EFFECTS).to_pylist()]
    scored = {t["dataset"][0].as_py(): t for t in (_rows(p, SAMPLE_SCORES) for p in cfg.io["sample_scores"])}
    for what, found in (("effects", {row["dataset"] for row in effects}), ("sample scores", set(scored))):
        if found != set(parts):
            raise UserError(
                f"{what} of {', '.join(sorted(found))}; benchmark_parts names {', '.join(sorted(parts))}: "
                "expected one table for every benchmark"
            )
    write_table(cfg.io["comparisons"], COMPARISONS, comparison_rows(effects, owned), made_by)
    effect_of = {(row["dataset"], row["outcome"]): row for row in effects}
    rows: list[Row] = []
    for outcome in COMPARED:
        of_outcome = {name: table.filter(pc.field("outcome") == outcome) for name, table in scored.items()}
        benchmarks = {n: benchmark(of_outcome[n], n, effect_of.get((n, outcome))) for n in parts}
        if len({tuple(of.drops) for of in benchmarks.values()}) > 1:
            raise UserError("the benchmarks differ in their neuron sets; run the ablation again")
        rows += selectivity_rows(outcome, benchmarks, owned)
    write_table(cfg.io["selectivity"], SELECTIVITY, rows, made_by)


def _rows(path: str, table: Table) -> pa.Table:
    data = read_table(path, table)
    if not data.num_rows:
        raise UserError(f"{path}: no row; expected effects and scores of at least one set: run the scoring again")
    return data
