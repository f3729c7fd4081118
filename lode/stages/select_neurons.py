"""Stage 4: the neuron set of each group, their union `all`, and controls for every set.

A control has the same number of *unique* neurons as the set it is matched to, drawn without replacement. Which other
traits it shares is what its kind says: one plug-in in `lode/control/` each (docs/methods.md 3.4).
"""

import math
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa

from lode.config import SelectionSection, StepConfig
from lode.control import Selected, magnitude, magnitude_ratios
from lode.engine.errors import UserError
from lode.engine.tables import write_table
from lode.grouping import grouping_of
from lode.neurons import ALL, Pairs, SetKey
from lode.selection import Set, num_asked, taking_part
from lode.table._dense import site_of
from lode.table._reading import read_importance
from lode.table.neurons import NEURONS


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


def rows(site: str, name: str, pairs: Pairs, scores: np.ndarray) -> pa.Table:
    """A set of the method as rows of the neurons table."""
    return _table(site, SetKey(name, "method"), name, pairs, scores, np.arange(len(pairs)))


def control_rows(site: str, name: str, kind: str, draw: int, pairs: Pairs) -> pa.Table:
    """A control of the set `name` as rows of the neurons table."""
    key = SetKey(f"{name}_{kind}_{draw:02d}", "control", name, kind, draw)
    return _table(site, key, name, pairs, np.full(len(pairs), np.nan), np.full(len(pairs), -1))


def _pairs(sets: dict[str, Set]) -> dict[str, Pairs]:
    return {name: pairs for name, (pairs, _) in sets.items()}


def _table(site: str, key: SetKey, group: str, pairs: Pairs, scores: np.ndarray, ranks: np.ndarray) -> pa.Table:
    names = {**key._asdict(), "site": site, "group": group}
    columns: dict[str, Any] = {column: [value] * len(pairs) for column, value in names.items()}
    columns |= {"layer": pairs[:, 0], "neuron": pairs[:, 1], "score": scores, "rank": ranks}
    return pa.table(columns, schema=NEURONS.schema)


def with_controls(
    sets: dict[str, Set], selected: Selected, kinds: Sequence[str], num_draws: int, seed: int
) -> tuple[pa.Table, dict[str, dict[str, dict[str, Any]]]]:
    """Every set with its controls of every kind.

    Returns:
        Rows of the neurons table, and by kind and set how far controls resemble the set: `shared_frac`, the mean share
        of a control's neurons that are the set's own, `num_different`, how many of the controls differ from each other
        and from the set, and `magnitude_ratios`, the mean magnitude of each control over that of the set.
    """
    drawn = {
        kind: list(import_module(f"lode.control.{kind}").controls(selected, num_draws, seed)) for kind in sorted(kinds)
    }
    parts: list[pa.Table] = []
    alike: dict[str, dict[str, dict[str, Any]]] = {"shared_frac": {}, "num_different": {}, "magnitude_ratios": {}}
    values, site = magnitude(selected.table), site_of(selected.table)
    for name, (pairs, scores) in sets.items():
        parts.append(rows(site, name, pairs, scores))
        own = set(map(tuple, pairs.tolist()))
        for kind, draws in drawn.items():
            matched = [draw[name] for draw in draws if name in draw]
            members = [set(map(tuple, control.tolist())) for control in matched]
            assert all(len(found) == len(control) == len(own) for found, control in zip(members, matched, strict=True))
            parts += [control_rows(site, name, kind, draw, control) for draw, control in enumerate(matched)]
            if members and own:
                shared = float(np.mean([len(own & found) / len(own) for found in members]))
                alike["shared_frac"].setdefault(kind, {})[name] = shared
                alike["num_different"].setdefault(kind, {})[name] = len({*map(frozenset, members)} - {frozenset(own)})
                alike["magnitude_ratios"].setdefault(kind, {})[name] = magnitude_ratios(values, pairs, matched)
    return pa.concat_tables(parts), alike


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Select from an importance table and write the neurons table."""
    table = read_importance(cfg.io["importance"], cfg.io["attributions"])
    selection = cfg.selection
    groups = taking_part(table, grouping_of(cfg.grouping), selection.group_split, selection.groups)
    again = partial(choose, groups=groups, selection=selection, seed=cfg.seed)
    sets = again(table, selection.ratio)
    unique = _pairs(sets)
    selected = Selected(unique, table, tuple(groups), selection.ratio, lambda *given: _pairs(again(*given)))
    num_total = math.prod(selected.shape)
    if not len(unique[ALL]):
        raise UserError(
            f"ratio {selection.ratio} of {num_total} neurons selects none in {len(groups)} groups; take a larger ratio"
        )
    chosen, alike = with_controls(sets, selected, cfg.controls.kinds, cfg.controls.num_draws, cfg.seed)
    counts = {
        "num_asked": num_asked(selection.ratio, num_total),
        "num_total": num_total,
        "num_unique": {name: len(np.unique(pairs, axis=0)) for name, pairs in unique.items()},
        **alike,
    }
    write_table(cfg.io["neurons"], NEURONS, {c: chosen[c] for c in chosen.column_names}, {**made_by, **counts})
