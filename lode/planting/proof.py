"""Measure on real samples that planted neurons do what their table says; refuse a model where they do not.

Two kinds of evidence. *Inside*: what each neuron writes at each token (its hidden activation), and that its size is
that of ordinary neurons. *Outside*: how far switching a set moves logits and the likelihood of the right answers, on
datasets with and without its modality. Planted neurons are of ordinary size, and so is what they do: it is compared
with what their *peers* do on the tokens of the modality: as many neurons that were there before, in the same layers
and of the nearest size. The limits: docs/methods.md 5.2.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.grouping.modality import grouping
from lode.intervention import Intervention
from lode.intervention._acting import switched
from lode.model.adapter import Adapter
from lode.model.tokens import TOKEN_KINDS
from lode.model.tower import encoders_once
from lode.model.watching import watching
from lode.model.weights import zeroed_columns
from lode.neurons import LM_GATE, at_gate
from lode.planting.calibration import Answered, with_answers

#: Logits closer than this are equal: rounding in a model of another width.
EQUAL = 1e-3
#: A planted set moves a logit by at least this share of what its peers do,
CHANGED = 0.02
#: and by at least so many times what planting itself does, which is rounding.
ABOVE_ROUNDING = 100
#: One neuron of each redundant pair moves a logit by at most so many times what its peers do; both move it by more.
BACKED_UP = 10
#: The middle half: quantiles of the sizes of a layer's neurons before planting.
MIDDLE = (0.25, 0.75)

#: Peers write at all tokens; they are off where planted neurons write.
_OFF = Intervention(lambda view: torch.zeros_like(view.chosen), tokens="own", grouping=grouping())

Row = dict[str, Any]
Pairs = list[tuple[int, int]]


def neurons_of(truth: Sequence[Row], role: str, modality: str) -> Pairs:
    """The (layer, neuron) of a role and modality; `redundant_one` is the first of each redundant pair."""
    rows = [row for row in truth if row["role"] == role.removesuffix("_one") and row["group"] == modality]
    if role.endswith("_one"):
        rows = list({row["pair"]: row for row in reversed(rows)}.values())
    return [(row["layer"], row["neuron"]) for row in rows]


@torch.inference_mode()
def written(
    adapter: Adapter, samples: Mapping[str, Sequence[Row]]
) -> tuple[list[Float[Tensor, "token neuron"]], list[Float[Tensor, "token neuron"]], Int[Tensor, " token"]]:
    """Gate activations and hidden activations of every layer at every real token, and what each token is."""
    gates: list[list[Tensor]] = [[] for _ in range(adapter.num_layers)]
    hidden: list[list[Tensor]] = [[] for _ in range(adapter.num_layers)]
    codes: list[Tensor] = []

    def see_gate(layer: int, activations: Tensor) -> None:
        gates[layer].append(activations[codes[-1] >= 0])

    def see_hidden(layer: int, inputs: Tensor) -> None:
        hidden[layer].append(inputs[codes[-1] >= 0])

    with watching(adapter, activations={LM_GATE: see_gate}, hidden={LM_GATE: see_hidden}):
        for rows in samples.values():
            batch = with_answers(adapter, rows)
            codes.append(batch.modality)
            adapter.model(**batch.inputs, use_cache=False, logits_to_keep=1)
    modality = torch.cat([code[code >= 0] for code in codes])
    return [torch.cat(parts) for parts in gates], [torch.cat(parts) for parts in hidden], modality


def sizes(
    adapter: Adapter, hidden: Sequence[Tensor], modality: Int[Tensor, " token"], modalities: Sequence[str]
) -> dict[str, list[Float[Tensor, " neuron"]]]:
    """The size of every neuron on every modality, by layer: mean over its tokens of |h| * ||w||."""
    parts = [(part, module.weight.norm(dim=0)) for part, module in zip(hidden, adapter.gate.reader, strict=True)]
    return {
        name: [part[modality == TOKEN_KINDS.index(name)].abs().mean(0) * norm for part, norm in parts]
        for name in modalities
    }


def check_sizes(
    truth: Sequence[Row], found: Mapping[str, Sequence[Tensor]], before: Mapping[str, Sequence[Tensor]]
) -> None:
    """Raise `UserError` unless planted neurons are of ordinary size, and unspecific ones at least as large.

    Args:
        truth: rows of the truth table.
        found: `sizes` of the planted model.
        before: `sizes` of the model before planting: by them it is judged what is ordinary.
    """
    middle = {
        name: [tuple(layer.quantile(torch.tensor(MIDDLE)).tolist()) for layer in layers]
        for name, layers in before.items()
    }
    for row in truth:
        layer, role = row["layer"], row["role"]
        if role not in ("planted", "redundant", "large_unspecific"):
            continue
        for name in [row["group"]] if row["group"] else list(found):
            low, high = middle[name][layer]
            size = float(found[name][layer][row["neuron"]])
            if not (low <= size <= high if row["group"] else size >= high):
                raise UserError(
                    f"planting: a neuron of role {role} in layer {layer} writes {size:.3g} on {name}; expected "
                    f"{f'{low:.3g} to' if row['group'] else 'at least'} {high:.3g}, by the middle half of the "
                    "neurons that were there; plant from more samples"
                )


def mark_acting(
    adapter: Adapter,
    truth: Sequence[Row],
    gates: Sequence[Float[Tensor, "token neuron"]],
    hidden: Sequence[Float[Tensor, "token neuron"]],
    modality: Int[Tensor, " token"],
) -> list[Row]:
    """The truth with `acts` measured, after checking what every planted neuron writes, token by token.

    Raises:
        UserError: a neuron writes where it must not, or does not where it must.
    """
    marked = []
    for row in truth:
        layer, neuron, role = row["layer"], row["neuron"], row["role"]
        wrote = hidden[layer][:, neuron] != 0
        if row["group"]:
            inside = modality == TOKEN_KINDS.index(row["group"])
            check_tokens(row, wrote, gates[layer][:, neuron], inside)
        acts = bool(wrote.any() and adapter.gate.reader[layer].weight[:, neuron].any())
        if acts != (role not in ("specific_mute", "sentinel", "dead")):
            raise UserError(f"planting: a neuron of role {role} in layer {layer} {'acts' if acts else 'does not act'}")
        marked.append({**row, "acts": acts})
    return marked


def check_tokens(
    row: Row, wrote: Bool[Tensor, " token"], gate: Float[Tensor, " token"], inside: Bool[Tensor, " token"]
) -> None:
    """Raise `UserError` unless a neuron writes exactly at the tokens that its role says."""
    wrong = {
        "planted": wrote != inside,
        "redundant": (wrote != inside) | ((gate <= 0) & inside),
        "sentinel": wrote,
        "specific_mute": torch.zeros_like(inside),
    }[row["role"]]
    if wrong.any():
        raise UserError(
            f"planting: the {row['role']} neuron of {row['group']} in layer {row['layer']} is not as designed at "
            f"{int(wrong.sum())} of {len(wrong)} tokens; plant from more samples, or with other options"
        )


def answer(adapter: Adapter, batch: Answered) -> tuple[Tensor, float]:
    """Logits at every token, and the mean log-likelihood of the right answers [nats]."""
    longest = max(map(len, batch.gold_ids))
    logits = adapter.model(**batch.inputs, use_cache=False).logits
    likelihood = logits[:, -longest - 1 : -1].log_softmax(-1).gather(-1, batch.inputs["input_ids"][:, -longest:, None])
    total = sum(float(likelihood[row, : len(ids)].sum()) for row, ids in enumerate(batch.gold_ids))
    return logits[batch.modality >= 0], total / len(batch.gold_ids)


def peers_of(
    truth: Sequence[Row], pairs: Pairs, modality: str, found: Mapping[str, Sequence[Float[Tensor, " neuron"]]]
) -> Pairs:
    """As many neurons that were there before, in the same layers, each the nearest in size that is left."""
    free = {(row["layer"], row["neuron"]) for row in truth if row["role"] == "existing"}
    peers: Pairs = []
    for layer, neuron in pairs:
        size = found[modality][layer]
        peer = min((p for p in free if p[0] == layer), key=lambda p: (float((size[p[1]] - size[neuron]).abs()), p))
        free.remove(peer)
        peers.append(peer)
    return peers


def switched_sets(
    truth: Sequence[Row], found: Mapping[str, Sequence[Float[Tensor, " neuron"]]]
) -> Iterator[tuple[str, str, Pairs]]:
    """Every set that the proof switches off: role, modality, neurons."""
    for modality in found:
        for role in ("planted", "redundant_one", "redundant", "specific_mute", "sentinel"):
            pairs = neurons_of(truth, role, modality)
            if pairs:
                yield role, modality, pairs
            if pairs and role in ("planted", "redundant_one"):
                yield f"{role}_peers", modality, peers_of(truth, pairs, modality, found)


@torch.inference_mode()
def effects(
    before: Adapter,
    after: Adapter,
    sets: Iterable[tuple[str, str, Pairs]],
    dataset: str,
    rows: Sequence[Row],
) -> Iterator[Row]:
    """What planting changes, and what switching each set off changes, on one dataset."""
    batch = with_answers(after, rows)

    def compare(one: tuple[Tensor, float], other: tuple[Tensor, float], role: str, modality: str, count: int) -> Row:
        held = modality in TOKEN_KINDS and bool((batch.modality == TOKEN_KINDS.index(modality)).any())
        return {
            "dataset": dataset,
            "site": LM_GATE,
            "role": role,
            "group": modality,
            "num_neurons": count,
            "holds_group": held,
            "fires_frac": None,
            "max_logit_change": float((other[0] - one[0]).abs().max()),
            "gold_log_likelihood_change": other[1] - one[1],
        }

    with encoders_once(before), encoders_once(after):
        clean = answer(after, batch)
        yield compare(answer(before, batch), clean, "none", "", 0)
        for role, modality, pairs in sets:
            peers, places = role.endswith("_peers"), at_gate(pairs)
            off = switched(after, _OFF, places, modality, batch.modality) if peers else zeroed_columns(after, places)
            with off:
                yield compare(clean, answer(after, batch), role, modality, len(pairs))


def expected_change(row: Row, change: Mapping[tuple[str, str], float]) -> tuple[float, float]:
    """The least and the largest change of a logit that a row of the proof may show.

    Args:
        row: of the proof.
        change: by role and modality, for the dataset of the row.
    """
    role, modality = row["role"], row["group"]
    if role == "none":
        return 0.0, EQUAL
    if role.endswith("_peers"):
        return 0.0, float("inf")
    if role in ("specific_mute", "sentinel") or not row["holds_group"]:
        return 0.0, 0.0
    if role == "planted":
        least = max(CHANGED * change["planted_peers", modality], ABOVE_ROUNDING * change["none", ""])
        return least, float("inf")
    if role == "redundant":
        return change["redundant_one", modality], float("inf")
    return 0.0, BACKED_UP * change["redundant_one_peers", modality]


def check_effects(rows: Sequence[Row]) -> None:
    """Raise `UserError` when a set moves logits that it must leave alone, or leaves alone what it must move.

    Args:
        rows: of the proof, all of one dataset.
    """
    change = {(row["role"], row["group"]): row["max_logit_change"] for row in rows}
    for row in rows:
        least, most = expected_change(row, change)
        if not least <= row["max_logit_change"] <= most:
            role = row["role"]
            what = "planting" if role == "none" else f"switching {role} of {row['group']} off"
            expected = f"at least {least:.3g}" if least else f"at most {most:.3g}"
            raise UserError(
                f"{what} moves a logit on {row['dataset']} by {row['max_logit_change']:.3g}; expected {expected}. "
                "Plant from more samples, or with another effect"
            )


def prove_planting(
    before: Adapter,
    after: Adapter,
    truth: Sequence[Row],
    modalities: Sequence[str],
    samples: Mapping[str, Sequence[Row]],
) -> tuple[list[Row], list[Row]]:
    """The truth with `acts`, and the rows of the proof table.

    Raises:
        UserError: something is not as it was designed.
    """
    gates, hidden, modality = written(after, samples)
    marked = mark_acting(after, truth, gates, hidden, modality)
    found = sizes(after, hidden, modality, modalities)
    check_sizes(truth, found, sizes(before, written(before, samples)[1], modality, modalities))
    sets = list(switched_sets(truth, found))
    proof: list[Row] = []
    for name, part in samples.items():
        rows = list(effects(before, after, sets, name, part))
        check_effects(rows)
        proof += rows
    return marked, proof
