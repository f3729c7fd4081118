"""Stage 5d: does a set cost one stratum of samples more than another, and by more than its controls do, as declared?

`dataset.contrasts` names, before anything is seen, two values of a key of `meta`: the samples that should lose, and
those that should not, of one benchmark with one prompt. Where the two differ in something else as well, as kinds of
error do in where the gold step is, they are compared within equal values of another key (`within`), of the same weight
each; values that do not have two clusters of both are left out. With D the mean over these values of the mean drop of
a side, and T what there was to lose of it, the mean over them of clean - chance,

    contrast = D(one) / T(one) - D(other) / T(other)     [share of what there was to lose]

with a 95 % interval by clusters, T taken as known, and the rank of a set among its controls (docs/methods.md 4.21).
Shares, for what breaks answers of every kind alike takes more of the kind of which more are right. Where the clean
model is not above chance on a side there is nothing to lose, and no contrast. Beside the sets stands the run with every
medium blank: where that does not cost the one more than the other, the benchmark cannot tell.

Ranks are of one row each, not corrected for how many sets and scores there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from lode.config import ContrastConfig, StepConfig
from lode.engine.errors import UserError
from lode.engine.paths import paths_of
from lode.engine.tables import read_provenance, read_table, write_table
from lode.neurons import SetKey
from lode.scoring._predictions import CONSTANT
from lode.scoring._scored import Scored
from lode.scoring._strata import Row, in_order, scored_of, strata_of
from lode.statistics.intervals import drop_intervals, mean_intervals
from lode.statistics.ranked import Ranked, compared, ranked_sets
from lode.statistics.shift import Cell, Intervals, contrast, contrast_value
from lode.table.contrasts import CONTRASTS
from lode.table.dataset import DATASET
from lode.table.sample_scores import SAMPLE_SCORES

#: The kind of the run with every medium blank; the verdict where a side has nothing to lose.
BLANKED, NOTHING = "blanked", "nothing_to_lose"


class Strata(NamedTuple):
    """The two strata of a contrast.

    Attributes:
        one, other: whether each sample is of the one, and of the other.
        parts: by value of the key within which they are compared, whether each sample has it.
    """

    one: np.ndarray
    other: np.ndarray
    parts: Mapping[str, np.ndarray]


def strata_in(samples: Sequence[Row], clusters: np.ndarray, name: str, declared: ContrastConfig) -> Strata:
    """The strata of a contrast, and the values that both have two clusters of.

    Raises:
        UserError: there is no such value.
    """
    found = strata_of(samples, declared.key)
    within = strata_of(samples, declared.within) if declared.within else np.full(len(samples), "all")
    one, other = (found == value for value in (declared.one, declared.other))
    parts = {value: within == value for value in in_order(set(within.tolist()))}
    told = {value: of for value, of in parts.items() if min(len(set(clusters[of & side])) for side in (one, other)) > 1}
    if not told:
        raise UserError(
            f"dataset.contrasts.{name}: no value of {declared.within or declared.key!r} has samples of two clusters of "
            f"both {declared.one!r} ({one.sum()} samples) and {declared.other!r} ({other.sum()}), among "
            f"{', '.join(in_order(set(found.tolist())))}; take more samples, or leave `within` out"
        )
    return Strata(one, other, told)


def cells_of(values: Mapping[str, np.ndarray], clusters: np.ndarray, strata: Strata) -> tuple[list[Cell], list[Cell]]:
    """Values of samples by set, as cells: one for every part of the one, and of the other."""
    one, other = (
        [
            Cell({name: of[part & side] for name, of in values.items()}, clusters[part & side])
            for part in strata.parts.values()
        ]
        for side in (strata.one, strata.other)
    )
    return one, other


def mean_over(cells: Sequence[Cell], name: str) -> float:
    """The mean over parts, of the same weight each."""
    return contrast_value(cells, [1 / len(cells)] * len(cells), name)


def to_lose(scored: Scored, strata: Strata, intervals: Intervals) -> tuple[float | None, float | None]:
    """What there was to lose of either side: clean - chance over its parts; None where it is not above 0."""
    chance = next(place for place, key in enumerate(scored.sets) if key.kind == CONSTANT.kind)
    sides = cells_of({"gain": scored.values[0] - scored.values[chance]}, scored.clusters, strata)
    gains = [contrast(cells, [1 / len(cells)] * len(cells), "gain", intervals) for cells in sides]
    one, other = (gain.value if (gain.low or 0) > 0 else None for gain in gains)
    return one, other


def contrast_rows(
    scored: Scored, samples: Sequence[Row], name: str, declared: ContrastConfig, ranked: Sequence[Ranked]
) -> Iterator[dict[str, Any]]:
    """A row of one contrast by one score for each set, and for the run with every medium blank.

    Args:
        scored: the values of the score, the clean model first, the chance level among them.
        samples: of these values, in their order.
        name: of the contrast.
        declared: what it compares.
        ranked: the sets with their controls.
    """
    strata, intervals = strata_in(samples, scored.clusters, name, declared), intervals_of(scored)
    drops = {key.set_name: scored.values[0] - scored.values[place] for place, key in enumerate(scored.sets)}
    (one, other), full = cells_of(drops, scored.clusters, strata), to_lose(scored, strata, intervals)
    told = np.any(list(strata.parts.values()), axis=0)
    known = {
        **scored.key,
        **{"contrast_name": name, "contrast_key": declared.key, "one": declared.one, "other": declared.other},
        **{"within": declared.within or "", "parts": list(strata.parts)},
        **{f"num_{side}": int((getattr(strata, side) & told).sum()) for side in ("one", "other")},
        **dict(zip(("to_lose_one", "to_lose_other"), full, strict=True)),
    }
    for each in ranked:
        of_set = {"drop_one": mean_over(one, each.set_name), "drop_other": mean_over(other, each.set_name)}
        if full[0] is None or full[1] is None:
            yield {**known, **of_set, **untold(each)}
            continue
        weights = [1 / (len(one) * full[0])] * len(one) + [-1 / (len(other) * full[1])] * len(other)
        row, controls = compared(each, [*one, *other], weights, intervals)
        yield {**known, **of_set, "contrast": row.pop("value"), **row, "control_values": controls}


def untold(ranked: Ranked) -> dict[str, Any]:
    """What a row says where a side has nothing to lose."""
    nothing = ("contrast", "interval_low", "interval_high", "control_mean", "control_max")
    return {
        **{"set_name": ranked.set_name, "num_neurons": ranked.num_neurons, "control_kind": ranked.kind},
        **{"num_controls": len(ranked.controls), "control_values": [], "size_ratio": ranked.size_ratio},
        **dict.fromkeys(nothing),
        **{"p_value": 1.0, "verdict": NOTHING},
    }


def intervals_of(scored: Scored) -> Intervals:
    """Of means of differences: of scores in [0, 1], or of nats."""
    return drop_intervals if scored.is_bounded else mean_intervals


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.dataset`, `io.sample_scores` and the provenance of `io.neurons`; write `io.contrasts`.

    Args:
        cfg: dataset.name, dataset.contrasts, io.
        made_by: the provenance to record.

    Raises:
        UserError: a key is not in the `meta` of a sample, or no stratum can be compared.
    """
    by_id = {
        row["sample_id"]: row for row in read_table(cfg.io["dataset"], DATASET).drop_columns(["media"]).to_pylist()
    }
    table, origin = read_table(cfg.io["sample_scores"], SAMPLE_SCORES), ", ".join(paths_of(cfg.io["sample_scores"]))
    facts = read_provenance(cfg.io["neurons"])
    rows: list[dict[str, Any]] = []
    for score in table["score_name"].unique().to_pylist():
        scored, ids = scored_of(table.filter(pc.equal(table["score_name"], score)), origin)
        samples = [by_id[sample_id] for sample_id in ids]
        ranked = [*_blanked(scored), *ranked_sets([_row(key, scored) for key in scored.sets], facts)]
        for name, of in cfg.dataset.contrasts.items():
            declared = ContrastConfig(of.key, of.one, of.other, of.within)
            rows += contrast_rows(scored, samples, str(name), declared, ranked)
    write_table(cfg.io["contrasts"], CONTRASTS, rows, made_by)


def _row(key: SetKey, scored: Scored) -> dict[str, Any]:
    return {**key._asdict(), "num_neurons": scored.num_neurons[key]}


def _blanked(scored: Scored) -> list[Ranked]:
    """The run with every medium blank, as a set without neurons and controls."""
    return [Ranked(key.set_name, 0, "", [], None, None) for key in scored.sets if key.kind == BLANKED]
