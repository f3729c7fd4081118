"""Compare the benchmarks of one model, selection and intervention: is a set selective, and what survives correction?

Reads `effects` and `sample_scores` of every benchmark, at the headline score. Writes `comparisons` (the matrix: a row
per set, benchmark and kind of control, with p-values after Holm) and `selectivity` (a row per set, called *mask*, and
kind).

The benchmarks of a mask's own: for a medium, those whose dataset holds it. Text occurs everywhere, so for `text`,
`special` and `special_text` they are the benchmarks without any medium. A mask that has no benchmark of its own, or no
other one, has no selectivity (null): `all` and `prompt` always.

The family of Holm's correction is declared before any result is seen: all (set, benchmark) pairs of the table, within
one kind of control; for selectivity, all masks that have one. With R controls and m tests the smallest p that can come
out is m / (1 + R), so 20 draws never reach 0.05 in a family of two or more: raise `controls.num_draws` beforehand.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lode.artifacts import SCHEMAS, read_table, write_table
from lode.errors import UserError
from lode.shapes import TOKEN_MODALITIES, headline_first
from lode.statistics.bootstrap import cluster_draws, cluster_totals
from lode.statistics.selectivity import selectivity, selectivity_interval, specificity_f
from lode.statistics.significance import holm, rank_p_value

Row = dict[str, Any]
_OF_TEXT = ("text", "special", "special_text")


class Benchmark(NamedTuple):
    """What switching each set costs on one benchmark, at the headline score.

    Attributes:
        clean: the score of the clean model.
        keys: what identifies each set of the method and each control, by its name: columns of the sample scores.
        drops: clean - switched, by set name.
        draws: resampled drops of the method sets, by set name (draw).
    """

    clean: float
    keys: Mapping[str, Row]
    drops: Mapping[str, float]
    draws: Mapping[str, np.ndarray]


def headline(path: str, kind: str) -> pa.Table:
    """The rows of the score that comes first.

    Raises:
        UserError: the table is empty.
    """
    table = read_table(path, kind)
    if not table.num_rows:
        raise UserError(f"{path}: no row; expected effects and scores of at least one set: run the scoring again")
    return table.filter(pc.equal(table["score_name"], table["score_name"][0]))


def own_benchmarks(set_name: str, modalities: Mapping[str, Sequence[str]]) -> dict[str, bool] | None:
    """Which benchmarks are a mask's own; None where none is, or every one.

    Args:
        set_name: the mask.
        modalities: by benchmark the token modalities that every sample holds.
    """
    media = set(TOKEN_MODALITIES) - {"text", "special"}
    own = {
        name: not media & set(held) if set_name in _OF_TEXT else set_name in held for name, held in modalities.items()
    }
    return own if len(set(own.values())) == 2 else None


def benchmark(table: pa.Table, name: str, num_resamples: int, seed: int) -> Benchmark:
    """Drops of every set from the scores of samples, and resampled drops of the method sets.

    Args:
        table: sample scores of one score name.
        name: the benchmark; each is resampled with a seed of its own, so independently of the others.
        num_resamples: how many draws.
        seed: of the experiment.
    """
    names, place, counts = np.unique(np.asarray(table["set_name"].to_pylist()), return_inverse=True, return_counts=True)
    if len(set(counts.tolist())) > 1 or "none" not in names:
        raise UserError(f"{name}: sets differ in their samples, or the clean one is missing; run the scoring again")
    order = np.lexsort((np.asarray(table["sample_id"].to_pylist()), place))
    values = table["value"].to_numpy()[order].reshape(len(names), -1)
    clusters = np.asarray(table["cluster_id"].to_pylist())[order][: values.shape[1]]
    totals, sizes = cluster_totals(values, clusters)
    first = table.drop_columns(["value"]).take(order[:: values.shape[1]]).to_pylist()
    clean = list(names).index("none")
    lost = totals[clean] - totals
    means = (lost.sum(axis=1) / sizes.sum()).tolist()
    methods = [i for i, row in enumerate(first) if row["kind"] == "method"]
    draws = cluster_draws(lost[methods], sizes, num_resamples, [seed, crc32(name.encode())])
    return Benchmark(
        clean=float(values[clean].mean()),
        keys={row["set_name"]: row for row in first if row["kind"] in ("method", "control")},
        drops={row["set_name"]: drop for row, drop in zip(first, means, strict=True)},
        draws={first[i]["set_name"]: of_set for i, of_set in zip(methods, draws, strict=True)},
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


def comparison_rows(effects: Sequence[Row], modalities: Mapping[str, Sequence[str]]) -> list[Row]:
    """The matrix: every headline effect with its p-values after Holm."""
    rows = [{**effect} for effect in effects]
    unique = list({(row["set_name"], row["dataset"]): row for row in rows}.values())  # kinds repeat McNemar's p
    tests = zip(unique, corrected(unique, "mcnemar_p", ()), strict=True)
    mcnemar = {(row["set_name"], row["dataset"]): p for row, p in tests}
    sizes = {kind: sum(row["control_kind"] == kind for row in rows) for kind in {row["control_kind"] for row in rows}}
    for row, p_holm in zip(rows, corrected(rows, "p_value", ("control_kind",)), strict=True):
        own = own_benchmarks(row["set_name"], modalities)
        row["own"] = own and own[row["dataset"]]
        row["p_holm"], row["num_tests"] = p_holm, sizes[row["control_kind"]]
        row["mcnemar_p_holm"] = mcnemar[row["set_name"], row["dataset"]]
    return [{name: row[name] for name in SCHEMAS["comparisons"].names} for row in rows]


def selectivity_rows(
    benchmarks: Mapping[str, Benchmark], modalities: Mapping[str, Sequence[str]], confidence_level: float
) -> list[Row]:
    """One row per mask and kind of control, with its selectivity where it has one."""
    keys = next(iter(benchmarks.values())).keys
    rows: list[Row] = []
    for name, key in keys.items():
        if key["kind"] != "method":
            continue
        own = own_benchmarks(name, modalities)
        controls = [other for other in keys.values() if other["control_of"] == name]
        kinds = {other["control_kind"] for other in controls} or {""}
        for kind in headline_first(kinds):
            of_kind = [other["set_name"] for other in controls if other["control_kind"] == kind]
            row = {"set_name": name, "num_neurons": key["num_neurons"], "control_kind": kind}
            rows.append(
                row | {"num_controls": len(of_kind)} | _selectivity(name, of_kind, benchmarks, own, confidence_level)
            )
    for row, p_holm in zip(rows, corrected(rows, "p_value", ("control_kind",)), strict=True):
        row["p_holm"] = p_holm
    return rows


def _selectivity(
    name: str,
    controls: Sequence[str],
    benchmarks: Mapping[str, Benchmark],
    own: Mapping[str, bool] | None,
    confidence_level: float,
) -> Row:
    """The selectivity of one mask beside that of its controls of one kind."""
    if own is None:
        nothing = {column.name: None for column in SCHEMAS["selectivity"] if column.nullable}
        return {**nothing, "own": [], "others": list(benchmarks)}
    is_own = np.array([own[dataset] for dataset in benchmarks])
    drops = np.array([[of.drops[mask] for of in benchmarks.values()] for mask in (name, *controls)])
    values = selectivity(drops, is_own)
    low, high = selectivity_interval([of.draws[name] for of in benchmarks.values()], is_own, confidence_level)
    return {
        "own": [dataset for dataset in benchmarks if own[dataset]],
        "others": [dataset for dataset in benchmarks if not own[dataset]],
        "drop_own": float(drops[0, is_own].mean()),
        "drop_others": float(drops[0, ~is_own].mean()),
        "selectivity": float(values[0]),
        "interval_low": low,
        "interval_high": high,
        "specificity_f": specificity_f(drops[0], np.array([of.clean for of in benchmarks.values()]), is_own),
        "control_mean": float(values[1:].mean()) if controls else None,
        "control_max": float(values[1:].max()) if controls else None,
        "p_value": rank_p_value(values[0], values[1:]),
    }


def run(cfg: Any, made_by: Mapping[str, Any]) -> None:
    """Read `io.tables` (`effects` and `sample_scores`: paths); write `io.comparisons` and `io.selectivity`.

    Args:
        cfg: seed, scoring, benchmark_modalities, io.
        made_by: the provenance to record.

    Raises:
        UserError: the benchmarks of the tables and of the config differ, or the sets of two benchmarks do.
    """
    modalities = {str(name): list(held) for name, held in cfg.benchmark_modalities.items()}
    effects = [row for path in cfg.io.tables["effects"] for row in headline(path, "effects").to_pylist()]
    scored = {
        table["dataset"][0].as_py(): table
        for table in (headline(p, "sample_scores") for p in cfg.io.tables["sample_scores"])
    }
    for what, found in (("effects", {row["dataset"] for row in effects}), ("sample scores", set(scored))):
        if found != set(modalities):
            raise UserError(
                f"{what} of {', '.join(sorted(found))}; benchmark_modalities names {', '.join(sorted(modalities))}: "
                "expected one table for every benchmark"
            )
    benchmarks = {name: benchmark(scored[name], name, cfg.scoring.num_resamples, cfg.seed) for name in modalities}
    if len({tuple(of.keys) for of in benchmarks.values()}) > 1:
        raise UserError("the benchmarks differ in their neuron sets; run the ablation again")
    write_table(cfg.io.comparisons, "comparisons", comparison_rows(effects, modalities), made_by)
    rows = selectivity_rows(benchmarks, modalities, cfg.scoring.confidence_level)
    write_table(cfg.io.selectivity, "selectivity", rows, made_by)
