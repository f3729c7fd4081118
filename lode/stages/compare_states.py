"""Stage 7f: do groups of tokens come nearer to each other over layers, and how near do they come to a bank of words?

Reads `states` of one benchmark; writes `convergence` (every pair of groups, and two halves of each as a null, by the
panel of `lode/statistics/convergence.py`, with states as they are and of length 1) and `phenomena`
(`lode/statistics/phenomena.py`). Every variant is compared by the same tokens: those that are neither the first of
their prompt nor a sink in the clean pass (`lode/statistics/taken.py`), as many of one group as of the other. Groups of
too few tokens are left out, and named in the record and on the console.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from lode.config import StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import read_table, write_table
from lode.statistics.approach import able_of, approach, difference
from lode.statistics.convergence import MEASURES, Cloud, Estimate
from lode.statistics.panel import Panel, defined, ends, panel, unit
from lode.statistics.phenomena import (
    PROBING,
    TAIL,
    TELOMERE,
    Labels,
    Reached,
    Relabelled,
    beside_labels,
    differences,
    labels_of,
    leads,
    persistence,
    probing,
    reached,
    stands_out,
    telomere,
)
from lode.statistics.reach import Tokens
from lode.statistics.taken import FEWEST_CLUSTERS, FEWEST_TOKENS, Sides, balanced, halves, is_enough, sinks
from lode.table._states import CLEAN, LAST, Kept, check_same, kept_of, variants_in
from lode.table.convergence import CONVERGENCE
from lode.table.phenomena import PHENOMENA
from lode.table.states import STATES

Row = dict[str, Any]
RAW, UNIT = "raw", "unit"


class Pair(NamedTuple):
    """Two groups, or one and itself: two halves of it; and the tokens that they are compared by."""

    first: str
    second: str
    sides: Sides


class Cell(NamedTuple):
    """The reach of the tokens of a group under a variant, and its index of each phenomenon."""

    group: Reached
    bank: Reached
    indices: Mapping[str, Sequence[Estimate]]


#: By variant, space and both groups: the tokens at the input, and the panel.
Panels = dict[tuple[str, str, str, str], tuple[Cloud, Panel]]
#: By variant and group.
Cells = dict[tuple[str, str], Cell]


def taken_of(clean: Kept) -> tuple[np.ndarray, dict[str, int]]:
    """Which tokens are compared, and how many of them are not, by the reason."""
    own = clean.groups != LAST
    sink, first = np.zeros(len(own), dtype=bool), clean.positions == 0
    sink[own] = sinks(clean.norms[own], clean.groups[own])
    return own & ~first & ~sink, {"first": int((own & first).sum()), "sinks": int((own & sink & ~first).sum())}


def places_of(kept: Kept) -> dict[str, np.ndarray]:
    """By group, in the order of the table, the places of its tokens."""
    return {group: np.flatnonzero(kept.groups == group) for group in dict.fromkeys(kept.groups.tolist())}


def pairs_of(kept: Kept, most: int, seed: int) -> Iterator[Pair]:
    """Every pair of groups that have tokens enough, and the halves of each."""
    places = {group: of for group, of in places_of(kept).items() if is_enough(kept.clusters[of])}
    names = list(places)
    for at, first in enumerate(names):
        for second in names[at:]:
            both = places[first], places[second]
            one, other = (kept.clusters[of] for of in both)
            sides = halves(one, most, seed) if first == second else balanced(one, other, most, seed)
            yield Pair(first, second, Sides(both[0][sides.first], both[1][sides.second]))


def clouds_of(kept: Kept, sides: Sides, space: str) -> list[Cloud]:
    """The tokens of two groups at every layer."""
    part = kept.of(np.concatenate(sides))
    second = np.arange(len(part.groups)) >= len(sides.first)
    clusters = np.unique(part.clusters, return_inverse=True)[1]
    layers = (part.states[:, layer].astype(np.float64) for layer in range(part.states.shape[1]))
    return [Cloud(unit(of) if space == UNIT else of, second, clusters, part.positions) for of in layers]


def panels_of(kept: Kept, variant: str, pairs: Sequence[Pair], cfg: StepConfig) -> Panels:
    """The panels of a variant; halves are taken of the clean samples alone."""
    found: Panels = {}
    for pair in pairs:
        halved = pair.first == pair.second
        if halved and variant != CLEAN:
            continue
        count = 0 if halved or variant != CLEAN else cfg.compare_states.num_permutations
        for space in (RAW, UNIT):
            clouds = clouds_of(kept, pair.sides, space)
            found[variant, space, pair.first, pair.second] = clouds[0], panel(clouds, count, cfg.seed)
    return found


def convergence_rows(panels: Panels) -> Iterator[Row]:
    """Rows of `convergence`; what a measure can say is had from a pair as it is and under every variant."""
    beside: dict[tuple[str, ...], list[Panel]] = {}
    for (_, *pair), (_, found) in panels.items():
        beside.setdefault(tuple(pair), []).append(found)
    for (variant, *pair), (cloud, found) in panels.items():
        key = dict(zip(("variant", "space", "group_a", "group_b"), (variant, *pair), strict=True))
        yield from panel_rows(key, cloud, found, able_of(each.estimates for each in beside[tuple(pair)]))


def panel_rows(key: Row, cloud: Cloud, found: Panel, able: Collection[str]) -> Iterator[Row]:
    """The rows of a pair in one space."""
    told = approach(found.estimates, able)
    said = {"verdict": told.verdict, "verdict_layer": told.layer, "num_measures": len(able)}
    said |= {"num_tokens": int(cloud.second.sum()), "num_clusters": int(cloud.clusters.max()) + 1}
    said |= {"num_shared": found.num_shared}
    for name in MEASURES:
        beside = {"position_probe": defined(found.position_probe)} if name == "probe" else {}
        for layer, here in enumerate(found.estimates[name]):
            low, high = ends(here)
            null = [defined(end) for end in found.nulls[name][layer]] if found.nulls else [None, None]
            value = {"measure": name, "can_move": name in able, "layer": layer, "value": defined(here.value), **beside}
            yield {**key, **said, **value, "interval_low": low, "interval_high": high, "null_low": null[0],
                   "null_high": null[1]}  # fmt: skip


def by_layer(kept: Kept, places: np.ndarray) -> list[Tokens]:
    """Some tokens at every layer, as reach takes them."""
    part = kept.of(places)
    return [
        Tokens(part.states[:, layer].astype(np.float64), part.clusters, part.ids, part.positions)
        for layer in range(part.states.shape[1])
    ]


def cells_of(kept: Kept, variant: str, bank: str) -> Cells:
    """The reach of every group of enough tokens, the bank among them; none where the bank has too few, or one id."""
    names, numbers = np.unique(kept.clusters, return_inverse=True)
    places = {group: of for group, of in places_of(kept).items() if is_enough(kept.clusters[of])}
    if bank not in places or len(np.unique(kept.ids[places[bank]])) < 2:
        return {}
    layers = {group: by_layer(kept, of) for group, of in places.items()}
    found = {group: reached(layers[group], layers[bank], numbers[of]) for group, of in places.items()}
    cells: Cells = {}
    for group, own in found.items():
        index = {PROBING: probing(own, len(names))}
        index |= {TELOMERE: telomere(own, found[bank], len(names))} if group != bank else {}
        cells[variant, group] = Cell(own, found[bank], index)
    return cells


def relabelled_of(kept: Kept, cells: Cells, bank: str, count: int, seed: int) -> dict[str, Relabelled]:
    """By group its telomere index of the clean samples beside labels dealt anew; none of too few ids."""
    found, places = dict[str, Relabelled](), places_of(kept)
    for (variant, group), cell in cells.items():
        if variant != CLEAN or group == bank:
            continue
        labels: Labels | None = labels_of(kept.ids[places[group]], kept.ids[places[bank]], count, seed)
        if labels is None:
            continue
        tokens = by_layer(kept, np.concatenate([places[group], places[bank]]))
        found[group] = beside_labels(cell.indices[TELOMERE], tokens, labels)
    return found


def phenomena_rows(cells: Cells, nulls_of: Mapping[str, Relabelled], bank: str) -> Iterator[Row]:
    """Rows of `phenomena`."""
    others = list(dict.fromkeys(variant for variant, _ in cells if variant != CLEAN))
    for (variant, group), cell in cells.items():
        nulls = [cells[name, group] for name in others] if variant == CLEAN else []
        clean = None if variant == CLEAN else cells[CLEAN, group]
        for name, index in cell.indices.items():
            null = nulls_of.get(group) if (variant, name) == (CLEAN, TELOMERE) else None
            beside = differences(index, [each.indices[name] for each in nulls])
            lasting = None if null is None else persistence(leads(index, null))
            if name == PROBING:
                lasting = persistence(stands_out([ends(here) for here in index], beside))
            key: Row = {"variant": variant, "phenomenon": name, "group": group, "bank": bank}
            key |= {"persistence": lasting, "num_tokens": len(cell.group.values)}
            yield from index_rows(key, cell, index, None if clean is None else clean.indices[name], null)


def index_rows(
    key: Row, cell: Cell, index: Sequence[Estimate], clean: Sequence[Estimate] | None, null: Relabelled | None
) -> Iterator[Row]:
    """The rows of a phenomenon of one group under one variant."""
    for layer, here in enumerate(index):
        low, high = ends(here)
        values = cell.group.values[:, layer]
        row = {**key, "layer": layer, "index": here.value, "interval_low": low, "interval_high": high}
        row |= {"reach": float(values.mean()), "tail": float(np.quantile(values, TAIL))}
        row |= {"baseline": float(cell.bank.values[:, layer].mean())}
        if clean is not None:
            less = difference(clean[layer], here)
            names = ("difference", "difference_low", "difference_high")
            row |= dict(zip(names, map(defined, less), strict=True))
        if null is not None:
            row |= {"null_low": float(null.low[layer]), "null_high": float(null.high[layer])}
            row |= {"p_value": null.p_values[layer]}
        yield row


def left_out(kept: Kept) -> list[str]:
    """The groups that have too few tokens, in words."""
    return [
        f"{group}: {len(of)} tokens of {len(np.unique(kept.clusters[of]))} clusters; {FEWEST_TOKENS} of "
        f"{FEWEST_CLUSTERS} are needed"
        for group, of in places_of(kept).items()
        if not is_enough(kept.clusters[of])
    ]


def compare(table: pa.Table, cfg: StepConfig) -> tuple[list[Row], list[Row], Row]:
    """The rows of `convergence`, those of `phenomena`, and what is recorded beside them.

    Raises:
        UserError: the table lacks the clean samples, or variants are of other tokens.
    """
    names = variants_in(table)
    if names[:1] != [CLEAN]:
        raise UserError(f"states: variants {', '.join(names) or '(none)'}; expected `{CLEAN}` among them; trace again")
    clean = kept_of(table, CLEAN)
    chosen, dropped = taken_of(clean)
    options, panels, cells = cfg.compare_states, Panels(), Cells()
    pairs = list(pairs_of(clean.of(chosen), options.max_tokens, cfg.seed))
    for variant in names:
        whole = kept_of(table, variant)
        check_same(variant, whole, clean)
        kept = whole.of(chosen)
        panels |= panels_of(kept, variant, pairs, cfg)
        cells |= cells_of(kept, variant, options.bank) if options.bank else {}
    record = {"dropped": dropped, "left_out": left_out(clean.of(chosen))}
    bank = options.bank or ""
    nulls = relabelled_of(clean.of(chosen), cells, bank, options.num_draws, cfg.seed)
    return list(convergence_rows(panels)), list(phenomena_rows(cells, nulls, bank)), record


def run(cfg: StepConfig, made_by: Mapping[str, Any]) -> None:
    """Read `io.states`; write `io.convergence` and `io.phenomena`.

    Args:
        cfg: seed, compare_states, io.
        made_by: the provenance to record; which tokens and groups were left out goes with it.

    Raises:
        UserError: the table lacks the clean samples, or variants are of other tokens.
    """
    table = read_table(cfg.io["states"], STATES)
    rows, found, record = compare(table, cfg)
    print(f"left out: {record['dropped']['first']} first tokens, {record['dropped']['sinks']} sinks")
    for each in record["left_out"]:
        print(f"not compared: {each}")
    write_table(cfg.io["convergence"], CONVERGENCE, rows, {**made_by, **record})
    write_table(cfg.io["phenomena"], PHENOMENA, found, {**made_by, **record})
