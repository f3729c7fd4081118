"""Stage 4b: how well a selection finds the neurons that were planted.

Positive for group m are the neurons that were planted to serve m alone and that act (roles `planted` and
`redundant`); all others are negative, those the model had before included: some of them may well be specific, but
nobody knows. A ranking is judged as a whole, at k = the number of positives, and by the set selected from it. The
measures: docs/methods.md 5.3.
"""

from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float
from sklearn.metrics import average_precision_score, roc_auc_score

from lode.config import SelectionSection, StepConfig
from lode.engine.errors import UserError
from lode.engine.tables import read_provenance, read_table, write_table
from lode.grouping import Grouping, grouping_of
from lode.importance.dead_layers import dead_layers_of
from lode.selection._sites import Dead, Living, seed_at, sites_of
from lode.table._dense import of_site
from lode.table._reading import read_importance
from lode.table.ratings import RATINGS
from lode.table.truth import TRUTH


def share_at_k(which: Bool[np.ndarray, " neuron"], scores: Float[np.ndarray, " neuron"], k: int) -> float:
    """The share of the k best that `which` marks, on average over all ways to break ties."""
    bar = np.sort(scores)[-k]
    above, tied = scores > bar, scores == bar
    num_free = k - above.sum()
    return float((which[above].sum() + which[tied].mean() * num_free) / k)


def finite(scores: Float[np.ndarray, " neuron"]) -> Float[np.ndarray, " neuron"]:
    """Scores with minus infinity, what is never chosen, as one finite tie below all others."""
    known = np.isfinite(scores)
    return np.where(known, scores, scores[known].min() - 1 if known.any() else 0)


def rate_ranking(
    positive: Bool[np.ndarray, " neuron"],
    scores: Float[np.ndarray, " neuron"],
    selected: Bool[np.ndarray, " neuron"],
    roles: np.ndarray,
) -> dict[str, Any]:
    """The measures of one group.

    Args:
        positive: the neurons to find, at least one and not all.
        scores: of every neuron, the higher the sooner it is selected.
        selected: the set that was selected.
        roles: of every neuron.
    """
    k, hits = int(positive.sum()), int((positive & selected).sum())
    return {
        "num_neurons": len(scores),
        "num_positive": k,
        "num_selected": int(selected.sum()),
        "auroc": roc_auc_score(positive, scores),
        "average_precision": average_precision_score(positive, scores),
        "precision_at_k": share_at_k(positive, scores, k),
        "mute_at_k": share_at_k(roles == "specific_mute", scores, k),
        "unspecific_at_k": share_at_k(np.isin(roles, ("large_unspecific", "cancelling")), scores, k),
        "host_at_k": share_at_k(roles == "host", scores, k),
        "false_discovery_frac": 1 - hits / selected.sum() if selected.any() else None,
        "recall_frac": hits / k,
    }


def rate(
    table: pa.Table,
    truth: pa.Table,
    grouping: Grouping,
    plugin: Any,
    selection: SelectionSection,
    seed: int,
    dead: Dead = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """One row for each site and group that both the selection and the truth know.

    Args:
        table: the importance table of the planted model.
        truth: its truth table, in (layer, neuron) order of every site that was planted at.
        grouping: what is compared.
        plugin: a selection plug-in.
        selection: the `selection` section.
        seed: as in the selection of neurons.
        dead: layers that cannot matter.

    Raises:
        UserError: the tables are of different models, or share no group.
    """
    parts = sites_of(table, selection, grouping, dead)
    planted = set(truth["site"].unique().to_pylist())
    rows = [
        {"site": part.site, **row}
        for part in parts
        if part.site in planted
        for row in rate_site(part, part.part_of(of_site(truth, part.site)), plugin, selection, seed_at(seed, part.site))
    ]
    if not rows:
        groups = dict.fromkeys(name for part in parts for name in part.groups)
        raise UserError(
            f"none of {', '.join(groups)} was planted at {', '.join(part.site for part in parts)}: choose the "
            f"group_split of the planting; neurons were planted at {', '.join(sorted(planted))}"
        )
    return rows


def rate_site(
    part: Living, truth: pa.Table, plugin: Any, selection: SelectionSection, seed: int
) -> list[dict[str, Any]]:
    """The rows of one site; none where no group that takes part was planted.

    Args:
        part: the site.
        truth: of the same layers.
        plugin: a selection plug-in.
        selection: the `selection` section.
        seed: of the site.
    """
    roles, served, acts = (np.array(truth[name].to_pylist()) for name in ("role", "group", "acts"))
    known = [name for name in part.groups if ((served == name) & acts).any()]
    if not known:
        return []
    scores = dict(zip(part.groups, plugin.score_neurons(part.table, part.groups, **selection.options), strict=True))
    sets = plugin.select_neurons(part.table, part.groups, selection.ratio, seed, **selection.options)
    shape = scores[known[0]].shape
    if len(roles) != shape[0] * shape[1]:
        raise UserError(
            f"the truth is of {len(roles)} neurons at {part.site} and the importance of {shape[0]} layers of {shape[1]}"
        )
    rows = []
    for name in known:
        selected = np.zeros(shape, dtype=bool)
        selected[tuple(sets[name][0].T)] = True
        positive = (served == name) & acts
        ranking = finite(scores[name].ravel())
        rows.append({"group": name, **rate_ranking(positive, ranking, selected.ravel(), roles)})
    return rows


def run(cfg: StepConfig, made_by: dict[str, Any]) -> None:
    """Rate one selection on one planted model."""
    planting = read_provenance(cfg.io["truth"])["config"]["planting"]
    plugin = import_module(f"lode.selection.{cfg.selection.plugin}")
    truth = read_table(cfg.io["truth"], TRUTH)
    table, grouping = read_importance(cfg.io["importance"], cfg.io["attributions"]), grouping_of(cfg.grouping)
    rows = rate(table, truth, grouping, plugin, cfg.selection, cfg.seed, dead_layers_of([cfg.io["importance"]]))
    which = {"strength": planting["strength"], "planting_seed": planting["seed"]}
    write_table(cfg.io["ratings"], RATINGS, [{**which, **row} for row in rows], made_by)
