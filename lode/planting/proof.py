"""Measure on real samples that planted neurons do what their table says; refuse a model where they do not.

Two kinds of evidence. *Inside*: what each neuron writes at each token (its hidden activation). *Outside*: how far
switching a set moves logits and the likelihood of the right answers, on datasets with and without its modality.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lode.errors import UserError
from lode.model.adapter import Adapter
from lode.model.tower import encoders_once
from lode.model.weights import zeroed_columns
from lode.planting.calibration import Answered, with_answers
from lode.shapes import TOKEN_MODALITIES

#: Logits closer than this are equal: rounding in a model of another width.
EQUAL = 1e-3
#: A set that acts must move a logit by this.
CHANGED = 0.05

Row = dict[str, Any]
Pairs = list[tuple[int, int]]


def neurons_of(truth: Sequence[Row], role: str, modality: str) -> Pairs:
    """The (layer, neuron) of a role and modality; `redundant_one` is the first of each redundant pair."""
    rows = [row for row in truth if row["role"] == role.removesuffix("_one") and row["modality"] == modality]
    if role.endswith("_one"):
        rows = list({row["pair"]: row for row in reversed(rows)}.values())
    return [(row["layer"], row["neuron"]) for row in rows]


@torch.inference_mode()
def written(
    adapter: Adapter, samples: Mapping[str, Sequence[Row]]
) -> tuple[list[Float[Tensor, "token neuron"]], list[Float[Tensor, "token neuron"]], Int[Tensor, " token"]]:
    """Gate activations and hidden activations of every layer at every real token, and what each token is."""
    gates: list[list[Tensor]] = [[] for _ in adapter.down_proj]
    hidden: list[list[Tensor]] = [[] for _ in adapter.down_proj]
    codes: list[Tensor] = []

    def see(kept: list[Tensor], of_input: bool) -> Any:
        return lambda _module, inputs, output: kept.append((inputs[0] if of_input else output)[codes[-1] >= 0])

    with ExitStack() as stack:
        for layer in range(adapter.num_layers):
            stack.callback(adapter.activation[layer].register_forward_hook(see(gates[layer], False)).remove)
            stack.callback(adapter.down_proj[layer].register_forward_hook(see(hidden[layer], True)).remove)
        for rows in samples.values():
            batch = with_answers(adapter, rows)
            codes.append(batch.modality)
            adapter.model(**batch.inputs, use_cache=False, logits_to_keep=1)
    modality = torch.cat([code[code >= 0] for code in codes])
    return [torch.cat(parts) for parts in gates], [torch.cat(parts) for parts in hidden], modality


def mark_acting(adapter: Adapter, truth: Sequence[Row], samples: Mapping[str, Sequence[Row]]) -> list[Row]:
    """The truth with `acts` measured, after checking what every planted neuron writes, token by token.

    Raises:
        UserError: a neuron writes where it must not, or does not where it must.
    """
    gates, hidden, modality = written(adapter, samples)
    marked = []
    for row in truth:
        layer, neuron, role = row["layer"], row["neuron"], row["role"]
        wrote = hidden[layer][:, neuron] != 0
        if row["modality"]:
            inside = modality == TOKEN_MODALITIES.index(row["modality"])
            check_tokens(row, wrote, gates[layer][:, neuron], inside)
        acts = bool(wrote.any() and adapter.down_proj[layer].weight[:, neuron].any())
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
            f"planting: the {row['role']} neuron of {row['modality']} in layer {row['layer']} is not as designed at "
            f"{int(wrong.sum())} of {len(wrong)} tokens; plant from more samples, or with other options"
        )


def answer(adapter: Adapter, batch: Answered) -> tuple[Tensor, float]:
    """Logits at every token, and the mean log-likelihood of the right answers [nats]."""
    longest = max(map(len, batch.gold_ids))
    logits = adapter.model(**batch.inputs, use_cache=False).logits
    likelihood = logits[:, -longest - 1 : -1].log_softmax(-1).gather(-1, batch.inputs["input_ids"][:, -longest:, None])
    total = sum(float(likelihood[row, : len(ids)].sum()) for row, ids in enumerate(batch.gold_ids))
    return logits[batch.modality >= 0], total / len(batch.gold_ids)


def switched_sets(truth: Sequence[Row], modalities: Sequence[str]) -> Iterator[tuple[str, str, Pairs]]:
    """Every set that the proof switches off: role, modality, neurons."""
    for modality in modalities:
        for role in ("planted", "redundant_one", "redundant", "specific_mute", "sentinel"):
            pairs = neurons_of(truth, role, modality)
            if pairs:
                yield role, modality, pairs


@torch.inference_mode()
def effects(
    before: Adapter, after: Adapter, truth: Sequence[Row], modalities: Sequence[str], dataset: str, rows: Sequence[Row]
) -> Iterator[Row]:
    """What planting changes, and what switching each set off changes, on one dataset."""
    batch = with_answers(after, rows)
    held = [m for m in modalities if (batch.modality == TOKEN_MODALITIES.index(m)).any()]

    def compare(one: tuple[Tensor, float], other: tuple[Tensor, float], role: str, modality: str, count: int) -> Row:
        return {
            "dataset": dataset,
            "role": role,
            "modality": modality,
            "num_neurons": count,
            "holds_modality": modality in held,
            "max_logit_change": float((other[0] - one[0]).abs().max()),
            "gold_log_likelihood_change": other[1] - one[1],
        }

    with encoders_once(before), encoders_once(after):
        clean = answer(after, batch)
        yield compare(answer(before, batch), clean, "none", "", 0)
        for role, modality, pairs in switched_sets(truth, modalities):
            with zeroed_columns(after, pairs):
                yield compare(clean, answer(after, batch), role, modality, len(pairs))


def check_effect(row: Row) -> None:
    """Raise `UserError` when a set moves logits that it must leave alone, or leaves alone what it must move."""
    change, role = row["max_logit_change"], row["role"]
    if role in ("none", "redundant_one"):
        good, expected = change <= EQUAL, f"at most {EQUAL}"
    elif role in ("planted", "redundant") and row["holds_modality"]:
        good, expected = change >= CHANGED, f"at least {CHANGED}"
    else:
        good, expected = change == 0, "exactly 0"
    if not good:
        what = f"switching {role} of {row['modality']} off" if role != "none" else "planting"
        raise UserError(
            f"{what} moves a logit on {row['dataset']} by {change:.3g}; expected {expected}. Plant from more "
            "samples, or with another effect"
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
    marked = mark_acting(after, truth, samples)
    rows = [row for name, part in samples.items() for row in effects(before, after, truth, modalities, name, part)]
    for row in rows:
        check_effect(row)
    return marked, rows
