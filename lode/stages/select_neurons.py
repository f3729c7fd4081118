"""Stage 4: the neuron set of each group, their union `all`, and controls for every set.

Every site is taken alone: the plug-in sees the table of one, of its living layers (`lode/selection/_sites.py`), and
takes the ratio of its neurons; a set is the union over sites. A control has the same number of *unique* neurons at
every site as the set it is matched to, drawn without replacement. Which other traits it shares is what its kind says:
one plug-in in `lode/control/` each (docs/methods.md 3.4).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from lode.config import SelectionSection, StepConfig
from lode.control import Selected, compared_on, magnitude, magnitude_ratios
from lode.engine.errors import UserError
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.importance.dead_layers import dead_layers_of
from lode.neurons import ALL, Pairs, SetKey
from lode.selection import Set, num_asked
from lode.selection._firing import effective_groups
from lode.selection._sites import Living, seed_at, sites_of
from lode.table._reading import read_importance
from lode.table.neurons import NEURONS

#: What a set without a neuron at a site has there.
NOTHING: Set = (np.empty((0, 2), dtype=np.int64), np.empty(0))
#: What is recorded of how far controls resemble a set.
RESEMBLANCE = ("shared_frac", "num_different", "magnitude_ratios", "site_magnitude_ratios")


@dataclass(frozen=True)
class AtSite:
    """What was chosen at one site.

    Attributes:
        part: the site, its neurons numbered as in its table.
        sets: of every group that has neurons at some site, and their union, the best first.
        selected: the same, for controls to be drawn for.
        seed: of what is drawn at the site.
    """

    part: Living
    sets: Mapping[str, Set]
    selected: Selected
    seed: int

    @property
    def num_total(self) -> int:
        """Neurons of the site, those of its dead layers left out."""
        return math.prod(self.selected.shape)


def union(sets: Sequence[Set]) -> Set:
    """All neurons of the sets once, each with its best score, the best first."""
    best: dict[tuple[int, int], float] = {}
    for pairs, scores in sets:
        for (layer, neuron), score in zip(pairs.tolist(), scores.tolist(), strict=True):
            best[layer, neuron] = max(score, best.get((layer, neuron), -math.inf))
    ordered = sorted(best, key=lambda pair: (-best[pair], pair))
    return np.array(ordered, dtype=np.int64).reshape(-1, 2), np.array([best[pair] for pair in ordered])


def choose(
    table: pa.Table, ratio: float, groups: Sequence[str], selection: SelectionSection, seed: int
) -> dict[str, Set]:
    """The sets that the selection plug-in finds in a table, and their union."""
    plugin = import_module(f"lode.selection.{selection.plugin}")
    sets = plugin.select_neurons(table, groups, ratio, seed, **selection.options)
    return {**sets, ALL: union(list(sets.values()))}


def choose_at(parts: Sequence[Living], selection: SelectionSection, seed: int) -> list[AtSite]:
    """The sets at every site; one that a site has no neuron for is empty there."""
    again = {
        part.site: partial(choose, groups=part.groups, selection=selection, seed=seed_at(seed, part.site))
        for part in parts
    }
    found = {part.site: again[part.site](part.table, selection.ratio) for part in parts}
    names = [*dict.fromkeys(name for sets in found.values() for name in sets if name != ALL), ALL]
    chosen = []
    for part in parts:
        sets = {name: found[part.site].get(name, NOTHING) for name in names}
        select = partial(_pairs_of, again[part.site])
        selected = Selected(_pairs(sets), part.table, part.groups, selection.ratio, select)
        chosen.append(AtSite(part, sets, selected, seed_at(seed, part.site)))
    return chosen


def _pairs(sets: Mapping[str, Set]) -> dict[str, Pairs]:
    return {name: pairs for name, (pairs, _) in sets.items()}


def _pairs_of(again: Any, table: pa.Table, ratio: float) -> dict[str, Pairs]:
    return _pairs(again(table, ratio))


def rows(
    at: AtSite, key: SetKey, group: str, pairs: Pairs, effective: Float[np.ndarray, "layer neuron"], scores: Any = None
) -> pa.Table:
    """The neurons of a set at one site as rows of the neurons table.

    Args:
        at: the site.
        key: of the set.
        group: that it serves.
        pairs: as in the table of the site.
        effective: effective groups of every neuron, NaN where there are none.
        scores: what the pairs were ranked by; None: of a control.
    """
    names = {**key._asdict(), "site": at.part.site, "group": group}
    columns: dict[str, Any] = {column: [value] * len(pairs) for column, value in names.items()}
    places = at.part.places(pairs)
    columns |= {"layer": places[:, 0], "neuron": places[:, 1]}
    columns["score"] = np.full(len(pairs), np.nan) if scores is None else scores
    columns["rank"] = np.full(len(pairs), -1) if scores is None else np.arange(len(pairs))
    columns["effective_groups"] = pa.array(effective[tuple(pairs.T)], from_pandas=True)  # NaN is null
    return pa.table(columns, schema=NEURONS.schema)


def drawn(sites: Sequence[AtSite], kind: str, num_draws: int) -> dict[str, list[list[Pairs]]]:
    """By set its controls of a kind, each as its pairs at every site; of a set that a kind cannot match there is none.

    Args:
        sites: where sets were chosen.
        kind: a plug-in.
        num_draws: of a random kind.
    """
    controls = import_module(f"lode.control.{kind}").controls
    by_site = [list(controls(at.selected, num_draws, at.seed)) for at in sites]
    return {
        name: [[draw[name] for draw in of] for of in zip(*by_site, strict=True) if all(name in draw for draw in of)]
        for name in sites[0].sets
    }


def with_controls(
    sites: Sequence[AtSite], kinds: Sequence[str], num_draws: int
) -> tuple[pa.Table, dict[str, dict[str, dict[str, Any]]]]:
    """Every set with its controls of every kind; draw k of a set is the union over sites of draw k at each.

    Returns:
        Rows of the neurons table, and by kind and set how far controls resemble the set: `shared_frac`, the mean share
        of a control's neurons that are the set's own, `num_different`, how many of the controls differ from each other
        and from the set, `site_magnitude_ratios`, at every site the mean magnitude of each control over that of the
        set, and `magnitude_ratios`, of each control the mean of these, weighted by how many neurons the set has there.
    """
    of_kinds = {kind: drawn(sites, kind, num_draws) for kind in sorted(kinds)}
    effective = [effective_groups(at.part.table, at.part.groups) for at in sites]
    parts: list[pa.Table] = []
    alike: dict[str, dict[str, dict[str, Any]]] = {fact: {} for fact in RESEMBLANCE}
    for name in sites[0].sets:
        method = SetKey(name, "method")
        for at, counts in zip(sites, effective, strict=True):
            parts.append(rows(at, method, name, at.sets[name][0], counts, at.sets[name][1]))
        own = [at.sets[name][0] for at in sites]
        for kind, of_sets in of_kinds.items():
            matched = of_sets[name]
            for draw, control in enumerate(matched):
                key = SetKey(f"{name}_{kind}_{draw:02d}", "control", name, kind, draw)
                some = zip(sites, control, effective, strict=True)
                parts += [rows(at, key, name, pairs, counts) for at, pairs, counts in some]
            if matched and any(map(len, own)):
                values = [magnitudes(at.part.table, kind, name) for at in sites]
                for fact, value in resemblance(own, matched, values).items():
                    alike[fact].setdefault(kind, {})[name] = value
    return pa.concat_tables(parts), alike


def magnitudes(table: pa.Table, kind: str, set_name: str) -> Float[np.ndarray, "layer neuron"]:
    """How much neurons write on the tokens that a kind of control matches a set on."""
    return magnitude(table, compared_on(kind, set_name, table["group"].unique().to_pylist()))


def resemblance(
    own: Sequence[Pairs], controls: Sequence[Sequence[Pairs]], values: Sequence[Float[np.ndarray, "_ _"]]
) -> dict[str, Any]:
    """How far controls resemble a set: the facts of `with_controls`.

    Magnitudes of different sites cannot be added, but ratios can be averaged. The smallest of each draw would fall
    below 1 by chance alone, and the more so the more sites there are.

    Args:
        own: the pairs of the set at every site, at least one.
        controls: those of each control.
        values: the magnitude of every neuron by site.
    """
    mine, members = _members(own), [_members(control) for control in controls]
    assert all(len(found) == sum(map(len, of)) == len(mine) for found, of in zip(members, controls, strict=True))
    by_site = [
        magnitude_ratios(of, pairs, [control[at] for control in controls])
        for at, (of, pairs) in enumerate(zip(values, own, strict=True))
        if len(pairs)
    ]
    known = [ratios for ratios in by_site if ratios is not None]
    counts = [len(pairs) for pairs, ratios in zip(filter(len, own), by_site, strict=True) if ratios is not None]
    shares = np.array(counts) / sum(counts) if counts else np.empty(0)  # of one site exactly 1
    return {
        "shared_frac": float(np.mean([len(mine & found) / len(mine) for found in members])),
        "num_different": len({*map(frozenset, members)} - {frozenset(mine)}),
        "magnitude_ratios": (shares @ np.array(known)).tolist() if known else None,
        "site_magnitude_ratios": known or None,
    }


def _members(pairs: Sequence[Pairs]) -> set[tuple[int, int, int]]:
    """(site, layer, neuron) of pairs at every site."""
    return {(at, layer, neuron) for at, of in enumerate(pairs) for layer, neuron in of.tolist()}


def refuse_empty(sites: Sequence[AtSite], ratio: float) -> None:
    """Refuse a site at which nothing is chosen: a set of several sites would be without it, and not say so."""
    for at in sites:
        if not len(at.sets[ALL][0]):
            raise UserError(
                f"at {at.part.site} ratio {ratio} of {at.num_total} neurons selects none in {len(at.part.groups)} "
                f"groups; take a larger ratio, or take {at.part.site} out of selection.sites"
            )


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Select from an importance table and write the neurons table."""
    table, selection = read_importance(cfg.io["importance"], cfg.io["attributions"]), cfg.selection
    dead = dead_layers_of([cfg.io["importance"]])
    parts = sites_of(table, selection, grouping_of(cfg.grouping), dead)
    sites = choose_at(parts, selection, cfg.seed)
    totals = {at.part.site: at.num_total for at in sites}
    asked = {site: num_asked(selection.ratio, total) for site, total in totals.items()}
    refuse_empty(sites, selection.ratio)
    chosen, alike = with_controls(sites, cfg.controls.kinds, cfg.controls.num_draws)
    counts = {
        "num_asked": sum(asked.values()),
        "num_asked_of_site": asked,
        "num_groups_of_site": {at.part.site: len(at.part.groups) for at in sites},
        "num_total": sum(totals.values()),
        "num_total_of_site": totals,
        "num_unique": {name: sum(len(np.unique(at.sets[name][0], axis=0)) for at in sites) for name in sites[0].sets},
        **alike,
    }
    write_table(cfg.io["neurons"], NEURONS, {c: chosen[c] for c in chosen.column_names}, {**made_by, **counts})
