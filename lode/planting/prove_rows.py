"""Measure, on samples that nothing was designed by, that neurons in an encoder or a projector do what is said of them.

*Inside*: on which rows each fires, and that its size is that of ordinary neurons. *Outside*: how far switching a set
moves logits, on samples of its group and on all others. The limits: docs/methods.md 5.2.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from lode.engine.errors import UserError
from lode.grouping import Grouping
from lode.model.adapter import Adapter
from lode.model.weights import zeroed_columns
from lode.neurons import unique_pairs
from lode.planting.calibration import with_answers
from lode.planting.detectors import LEAST_FIRING
from lode.planting.proof import (
    ABOVE_ROUNDING,
    CHANGED,
    EQUAL,
    Pairs,
    Row,
    answer,
    check_sizes,
    neurons_of,
    switched_sets,
)
from lode.planting.rows import Rows, Sample, group_of, observe_rows

#: A planted neuron fires on at most this share of the rows of other groups.
_ELSEWHERE = 0.01
#: What does nothing at all when it is switched off.
_MUTE = "specific_mute"

Sizes = dict[str, list[Float[Tensor, " neuron"]]]


def sizes_of(adapter: Adapter, site: str, layers: Sequence[Rows], groups: Sequence[str]) -> Sizes:
    """The size of every neuron of a site on every group, by layer: mean over its rows of |h| * ||w||."""
    norms = [module.weight.norm(dim=0).cpu() for module in adapter.sites[site].reader]
    return {
        name: [rows.values[rows.members(place)].abs().mean(0) * norm for rows, norm in zip(layers, norms, strict=True)]
        for place, name in enumerate(groups)
    }


def mark_firing(
    adapter: Adapter, site: str, truth: Sequence[Row], layers: Sequence[Rows], groups: Sequence[str]
) -> list[Row]:
    """The truth with `acts` measured, after checking on which rows every detector fires.

    Raises:
        UserError: one fires where it must not, or does not where it must, or a neuron acts that should not.
    """
    marked = []
    for row in truth:
        rows, neuron, role = layers[row["layer"]], row["neuron"], row["role"]
        shown = rows.values[:, neuron]
        if row["group"]:
            inside = rows.members(groups.index(row["group"]))
            own, elsewhere = (float((shown[of] > 0).double().mean()) for of in (inside, ~inside))
            if own < LEAST_FIRING or elsewhere > _ELSEWHERE:
                raise UserError(
                    f"planting: the {role} neuron of {row['group']} in layer {row['layer']} of {site} fires on "
                    f"{own:.1%} of the rows of its group and on {elsewhere:.1%} of others, on samples that it was not "
                    f"designed by; expected at least {LEAST_FIRING:.0%} and at most {_ELSEWHERE:.0%}. Plant from more "
                    "samples, or groups that differ more"
                )
        acts = bool(shown.any() and adapter.sites[site].reader[row["layer"]].weight[:, neuron].any())
        if acts != (role != _MUTE):
            raise UserError(
                f"planting: a neuron of role {role} in layer {row['layer']} does {'' if acts else 'not '}act"
            )
        marked.append({**row, "acts": acts})
    return marked


@torch.inference_mode()
def effects_of(
    before: Adapter,
    after: Adapter,
    site: str,
    sets: Iterable[tuple[str, str, Pairs]],
    dataset: str,
    group: str,
    samples: Sequence[Row],
    firing: Mapping[tuple[str, str], float],
) -> Iterator[Row]:
    """What planting changes, and what switching each set off changes, on samples of one dataset and one group.

    Args:
        before, after: the model before and after planting.
        site: where neurons were planted.
        sets: role, group and neurons of each; the first is all that was planted, under the role `emptied`.
        dataset: that the samples are of.
        group: that their rows are of, empty for none that is planted.
        samples: all of which the model answers at once.
        firing: by role and group the share of these samples' rows that a neuron of the set fires on.
    """
    batch = with_answers(after, samples)
    clean, unplanted = answer(after, batch), answer(before, batch)

    def compare(one: tuple[Tensor, float], other: tuple[Tensor, float], role: str, of: str, count: int) -> Row:
        return {
            "dataset": dataset,
            "site": site,
            "role": role,
            "group": of,
            "num_neurons": count,
            "holds_group": bool(group) and of in ("", group),
            "fires_frac": firing.get((role, of)),
            "max_logit_change": float((other[0] - one[0]).abs().max()),
            "gold_log_likelihood_change": other[1] - one[1],
        }

    yield compare(unplanted, clean, "none", "", 0)
    for role, of, pairs in sets:
        with zeroed_columns(after, {site: unique_pairs(pairs)}):
            off = answer(after, batch)
        yield compare(unplanted if role == "emptied" else clean, off, role, of, len(pairs))


def bounds(row: Row, change: Mapping[tuple[str, str], float]) -> tuple[float, float]:
    """The least and the largest change of a logit that a row of the proof may show.

    Args:
        row: of the proof.
        change: by role and group, for the samples of the row.
    """
    role = row["role"]
    if role == _MUTE:
        return 0.0, 0.0
    if role.endswith("_peers") or (role == "none" and row["holds_group"]):
        return 0.0, float("inf")
    if role == "planted" and row["holds_group"]:
        least = max(CHANGED * change["planted_peers", row["group"]], ABOVE_ROUNDING * change["emptied", ""])
        return least, float("inf")
    return 0.0, EQUAL


def check_bounds(rows: Sequence[Row]) -> None:
    """Refuse a set that moves logits that it must leave alone, or leaves alone what it must move.

    Args:
        rows: of the proof, of the same samples.
    """
    change = {(row["role"], row["group"]): row["max_logit_change"] for row in rows}
    for row in rows:
        least, most = bounds(row, change)
        if not least <= row["max_logit_change"] <= most:
            raise UserError(
                f"planting: {row['role']} of {row['group'] or 'all groups'} at {row['site']} moves a logit on "
                f"{row['dataset']} by {row['max_logit_change']:.3g}; expected "
                f"{f'at least {least:.3g}' if least else f'at most {most:.3g}'}. Plant with a larger strength, or from "
                "more samples"
            )


def firing_of(
    sets: Iterable[tuple[str, str, Pairs]], layers: Sequence[Rows], chosen: Sequence[int]
) -> dict[tuple[str, str], float]:
    """By role and group the share of the rows of some samples that a neuron of the set fires on, its mean over them.

    Args:
        sets: role, group and neurons of each.
        layers: activations by layer.
        chosen: the numbers of the samples.
    """
    inside = torch.isin(layers[0].sample, torch.tensor(chosen))
    return {
        (role, of): float(
            torch.stack([(layers[layer].values[inside, neuron] > 0).double().mean() for layer, neuron in pairs]).mean()
        )
        for role, of, pairs in sets
    }


def prove_rows(
    before: Adapter,
    after: Adapter,
    truth: Sequence[Row],
    site: str,
    grouping: Grouping,
    groups: Sequence[str],
    samples: Mapping[str, Sequence[Row]],
) -> tuple[list[Row], list[Row]]:
    """The truth with `acts`, and the rows of the proof table.

    Args:
        before, after: the model before and after planting.
        truth: what is true of every neuron of the site.
        site: where neurons were planted.
        grouping: what is compared.
        groups: that were planted.
        samples: by dataset, none of which neurons were designed by.

    Raises:
        UserError: something is not as it was designed.
    """
    every = [sample for part in samples.values() for sample in part]
    shown = observe_rows(after, after.sites[site].activation, every, grouping, groups, of_input=False)
    was = observe_rows(before, before.sites[site].activation, every, grouping, groups, of_input=False)
    marked = mark_firing(after, site, truth, shown, groups)
    found = sizes_of(after, site, shown, groups)
    check_sizes(truth, found, sizes_of(before, site, was, groups))
    planted = [pair for name in groups for pair in neurons_of(truth, "planted", name)]
    sets = [("emptied", "", planted), *switched_sets(truth, found)] if planted else []
    proof: list[Row] = []
    for (dataset, group), chosen in parts_of(samples, grouping, groups).items():
        some = [every[number] for number in chosen]
        firing = firing_of(sets, shown, chosen)
        rows = list(effects_of(before, after, site, sets, dataset, group, some, firing))
        check_bounds(rows)
        proof += rows
    return marked, proof


def parts_of(
    samples: Mapping[str, Sequence[Sample]], grouping: Grouping, groups: Sequence[str]
) -> dict[tuple[str, str], list[int]]:
    """By dataset and group, empty for none, the numbers of the samples, counted over all datasets."""
    found: dict[tuple[str, str], list[int]] = {}
    number = 0
    for dataset, part in samples.items():
        for sample in part:
            place = group_of(sample, grouping, groups)
            found.setdefault((dataset, groups[place] if place >= 0 else ""), []).append(number)
            number += 1
    return found
