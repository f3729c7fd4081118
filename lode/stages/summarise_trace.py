"""Stage 7b: means over samples of what was traced, each beside the same samples under every variant, and three stages.

Reads `lens_samples` and `flow_samples` of one benchmark; writes `lens`, `flow`, `stages` and `change_points`. Intervals
go by clusters (docs/methods.md 4.6); differences from a variant are those of the same samples. Stages
(`lode/statistics/stages.py`) and where the mean curve bends (`lode/statistics/change_points.py`) are asked of every
group of tokens alike: where words have them as well, they are not about the medium.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float64, Shaped

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.statistics.change_points import UNTOLD, change_points
from lode.statistics.stages import CONTRASTS, Mean, against_null, all_of, claims, contrasts, mean_of
from lode.table.change_points import CHANGE_POINTS
from lode.table.flow import FLOW
from lode.table.flow_samples import FLOW_SAMPLES
from lode.table.lens import LENS
from lode.table.lens_samples import LENS_SAMPLES
from lode.table.stages import STAGES

Row = dict[str, Any]
#: Layers that stages need.
LEAST_LAYERS = 3
#: The samples as they are, and no null.
CLEAN, NONE = "clean", "none"
OF_LENS = ("entropy", "top1", "kl_final", "gold_logp", "gold_rank", "object_rank", "other_rank", "num_tokens")
OF_FLOW = ("mass", "contribution_norm", "share", "num_tokens")


@dataclass(frozen=True)
class Cell:
    """What was traced of a group under a variant.

    Attributes:
        clusters: of the samples that hold the group, in the order of their ids.
        values: by column; not a number where it is null.
    """

    clusters: Shaped[np.ndarray, " sample"]
    values: Mapping[str, Float64[np.ndarray, "sample layer"]]

    def mean(self, name: str, layer: int, less: "Cell | None" = None) -> Mean:
        """The mean of a column at a layer, or of its difference from another cell's, on the same samples."""
        values = self.values[name][:, layer] - (0 if less is None else less.values[name][:, layer])
        return mean_of(values, self.clusters)


#: By variant and group.
Cells = dict[tuple[str, str], Cell]


def cells_of(table: pa.Table, names: Sequence[str]) -> Cells:
    """What a table holds, as numbers.

    Raises:
        UserError: a sample lacks layers, or variants differ in their samples.
    """
    found: Cells = {}
    seen: dict[str, list[str]] = {}
    keys = table.group_by(["variant", "group"], use_threads=False).aggregate([])
    pairs = list(zip(keys["variant"].to_pylist(), keys["group"].to_pylist(), strict=True))
    for variant, group in sorted(
        pairs, key=lambda pair: pair[0] != CLEAN
    ):  # clean first: the others are compared with it
        part = table.filter((pc.field("variant") == variant) & (pc.field("group") == group))
        part = part.sort_by([("sample_id", "ascending"), ("layer", "ascending")])
        ids, count = part["sample_id"].to_pylist(), pc.max(part["layer"]).as_py() + 1
        clean = seen.setdefault(group, ids) if variant == CLEAN else seen.get(group)
        if len(ids) % count or clean != ids:
            raise UserError(f"group {group}, variant {variant}: samples differ in layers or from `clean`; trace again")
        values = {name: part[name].cast(pa.float64()).to_numpy().reshape(-1, count) for name in names}
        found[variant, group] = Cell(np.array(part["cluster_id"].to_pylist()[::count]), values)
    return found


def ends(prefix: str, mean: Mean) -> Row:
    """The ends of an interval as columns."""
    return {f"{prefix}_low": mean.low, f"{prefix}_high": mean.high}


def compared(name: str, cell: Cell, clean: Cell | None, layer: int) -> Row:
    """A column with its interval, and clean less it where it is not clean itself."""
    row = {name: cell.mean(name, layer).value, **ends("interval", cell.mean(name, layer))}
    if clean is not None:
        difference = clean.mean(name, layer, cell)
        row |= {"difference": difference.value, **ends("difference", difference)}
    return row


def middle_of(values: Float64[np.ndarray, " sample"]) -> float | None:
    """The median of samples, None where none has a value."""
    return float(np.nanmedian(values)) if not np.isnan(values).all() else None


def average(values: Float64[np.ndarray, " sample"]) -> float | None:
    """The mean of samples that have a value, None where none has."""
    return float(np.nanmean(values)) if not np.isnan(values).all() else None


def lens_rows(cells: Cells) -> list[Row]:
    """Rows of `lens`."""
    rows = []
    for (variant, group), cell in cells.items():
        clean = None if variant == CLEAN else cells[CLEAN, group]
        for layer in range(cell.values["entropy"].shape[1]):
            at = {name: values[:, layer] for name, values in cell.values.items()}
            gold = None if np.isnan(at["gold_logp"]).any() else mean_of(at["gold_logp"], cell.clusters)
            rows.append(
                {
                    **{"variant": variant, "group": group, "layer": layer, "num_samples": len(cell.clusters)},
                    **compared("entropy", cell, clean, layer),
                    "num_tokens": int(at["num_tokens"].sum()),
                    "entropy_sd": float(at["entropy"].std(ddof=1)) if len(cell.clusters) > 1 else 0.0,
                    **{name: float(at[name].mean()) for name in ("top1", "kl_final")},
                    **({} if gold is None else {"gold_logp": gold.value, **ends("gold", gold)}),
                    "gold_rank": middle_of(at["gold_rank"]),
                    **{name: average(at[name]) for name in ("object_rank", "other_rank")},
                }
            )
    return rows


def flow_rows(cells: Cells) -> list[Row]:
    """Rows of `flow`."""
    rows = []
    for (variant, group), cell in cells.items():
        clean = None if variant == CLEAN else cells[CLEAN, group]
        for layer in range(cell.values["share"].shape[1]):
            mass = cell.mean("mass", layer)
            means = {name: float(cell.values[name][:, layer].mean()) for name in ("num_tokens", "contribution_norm")}
            key = {"variant": variant, "group": group, "layer": layer, "num_samples": len(cell.clusters)}
            share = compared("share", cell, clean, layer)
            rows.append({**key, **means, "mass": mass.value, **ends("mass", mass), **share})
    return rows


def stage_rows(group: str, clean: Cell, nulls: Mapping[str, Cell]) -> list[Row]:
    """Rows of `stages` of a group: every contrast beside 0, beside each null, and all of them together.

    None of a model of less than three layers, where the middle and the last step are one.
    """
    if clean.values["entropy"].shape[1] <= LEAST_LAYERS:
        return []
    own = contrasts(clean.values["entropy"], clean.clusters)
    means = {name: mean_of(values, clean.clusters) for name, values in own.items()}
    said, rows, verdicts = claims(means), list[Row](), list[str]()
    key = {"group": group, "num_samples": len(clean.clusters)}
    for name in CONTRASTS:
        value = {**key, "contrast": name, "value": means[name].value, **ends("interval", means[name])}
        rows.append({**value, "null_name": NONE, "verdict": said[name]})
        for null_name, null in nulls.items():
            of_null = contrasts(null.values["entropy"], null.clusters)[name]
            difference = mean_of(own[name] - of_null, clean.clusters)
            verdict = against_null(name, difference)
            beside = {"null_value": float(of_null.mean()), "difference": difference.value}
            rows.append(
                {**value, "null_name": null_name, **beside, **ends("difference", difference), "verdict": verdict}
            )
        verdicts += [row["verdict"] for row in rows if row["contrast"] == name]
    return [*rows, {**key, "contrast": "three_stages", "null_name": NONE, "verdict": all_of(verdicts)}]


def change_row(variant: str, group: str, cell: Cell) -> Row:
    """The row of `change_points` of a group under a variant."""
    entropy = cell.values["entropy"]
    key = {"variant": variant, "group": group, "num_samples": len(cell.clusters), "num_states": entropy.shape[1]}
    found = change_points(entropy, cell.clusters)
    if found is None:
        return {**key, "verdict": UNTOLD}
    ends_of = {
        f"{name}_{column}": values[at]
        for column, values in (("break", found.breaks), ("low", found.low), ("high", found.high))
        for at, name in enumerate(("first", "second"))
    }
    slopes = dict(zip(("slope_before", "slope_between", "slope_after"), found.slopes, strict=True))
    return {**key, **ends_of, **slopes, **{n: getattr(found, n) for n in ("bic_gain", "p_value", "verdict")}}


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.lens_samples` and `io.flow_samples`; write `io.lens`, `io.flow`, `io.stages` and `io.change_points`.

    Args:
        cfg: io.
        made_by: the provenance to record.

    Raises:
        UserError: a variant was traced on other samples than `clean`.
    """
    lens = cells_of(read_table(cfg.io["lens_samples"], LENS_SAMPLES), OF_LENS)
    flow = cells_of(read_table(cfg.io["flow_samples"], FLOW_SAMPLES), OF_FLOW)
    write_table(cfg.io["lens"], LENS, lens_rows(lens), made_by)
    write_table(cfg.io["flow"], FLOW, flow_rows(flow), made_by)
    groups = [group for variant, group in lens if variant == CLEAN]
    variants = list(dict.fromkeys(variant for variant, _ in lens if variant != CLEAN))
    rows = []
    for group in groups:
        nulls = {name: lens[name, group] for name in variants}
        rows += stage_rows(group, lens[CLEAN, group], nulls)
    write_table(cfg.io["stages"], STAGES, rows, made_by)
    bends = [change_row(variant, group, cell) for (variant, group), cell in lens.items()]
    write_table(cfg.io["change_points"], CHANGE_POINTS, bends, made_by)
