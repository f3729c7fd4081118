"""Planted neurons do what the truth says: on a random model of another size, and on the shipped weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.adapter import Adapter, find_parts
from lode.model.attention import Attention, head_mean_attention, observed
from lode.model.encoding import encode
from lode.model.tokens import TOKEN_KINDS
from lode.model.weights import zeroed_columns
from lode.neurons import at_gate
from lode.planting.calibration import observe, with_answers
from lode.planting.plant import plant
from lode.planting.proof import neurons_of, prove_planting
from lode.planting.wide import widen
from lode.study import compose
from tests.recorded import capture
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, RECORDS

MODALITIES = ["text", "special", "image"]
Rows = list[dict[str, Any]]


def options(**changes: Any) -> Any:
    return OmegaConf.merge(compose().planting, {"effect": 3.0, **changes})


SAMPLES: dict[str, Rows] = {
    "seen": [record for record in RECORDS if record["media"]],
    "read": [record for record in RECORDS if not record["media"]],
}


@dataclass(frozen=True)
class Planted:
    """A model before and after planting, and what is true of the neurons."""

    before: Adapter
    after: Adapter
    truth: Rows
    proof: Rows
    samples: dict[str, Rows]


def planted(before: Adapter, samples: dict[str, Rows], **changes: Any) -> Planted:
    with torch.inference_mode():
        after, truth = plant(before, observe(before, samples), options(**changes))
    return Planted(before, after, *prove_planting(before, after, truth, MODALITIES, samples), samples)


@pytest.fixture(scope="module")
def random_model(tiny: Adapter) -> Planted:
    return planted(tiny, SAMPLES)


@torch.inference_mode()
def logits(adapter: Adapter, rows: Rows) -> Tensor:
    """At every real token of the prompts and their answers."""
    batch = with_answers(adapter, rows)
    return adapter.model(**batch.inputs, use_cache=False).logits[batch.modality >= 0]


@contextmanager
def watched(modules: Any, of_input: bool) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    hooks = [
        module.register_forward_hook(lambda _m, inputs, output: seen.append(inputs[0] if of_input else output))
        for module in modules
    ]
    yield seen
    for hook in hooks:
        hook.remove()


# --- the wider copy ---------------------------------------------------------------------------------------------------


def test_the_wider_copy_computes_the_same(tiny: Adapter) -> None:
    wide = find_parts(tiny.config, widen(tiny.model, 5), tiny.processor)
    assert wide.num_neurons == NUM_NEURONS + 5
    torch.testing.assert_close(logits(wide, RECORDS), logits(tiny, RECORDS), rtol=1e-4, atol=1e-4)


def test_the_wider_copy_attends_the_same(tiny: Adapter) -> None:
    """Mean attention over heads is what MINER reads; it must not notice that heads occur twice."""

    def attention(adapter: Adapter) -> list[Tensor]:
        batch = encode(adapter, RECORDS[:2])
        seen: list[Tensor] = []

        def see(_layer: int, of: Attention) -> None:
            seen.append(head_mean_attention(of.query, of.key, of.scaling, of.visible))

        with observed(adapter, see):
            adapter.model(**batch.inputs, use_cache=False)
        return seen

    with torch.inference_mode():
        wide = attention(find_parts(tiny.config, widen(tiny.model, 0), tiny.processor))
        as_before = attention(tiny)
    assert len(wide) == NUM_LAYERS
    for one, other in zip(wide, as_before, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_nothing_writes_to_the_new_half(tiny: Adapter) -> None:
    wide = find_parts(tiny.config, widen(tiny.model, 5), tiny.processor)
    layers = wide.model.model.language_model.layers
    with watched(layers, of_input=False) as seen, torch.inference_mode():
        wide.model(**encode(wide, RECORDS).inputs, use_cache=False)
    for states in seen:
        assert states[..., :32].abs().max() > 0
        assert torch.count_nonzero(states[..., 32:]) == 0


# --- planted neurons --------------------------------------------------------------------------------------------------


def test_planting_changes_nothing(random_model: Planted) -> None:
    torch.testing.assert_close(
        logits(random_model.after, RECORDS), logits(random_model.before, RECORDS), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("role", ["planted", "redundant"])
@pytest.mark.parametrize("modality", MODALITIES)
def test_a_planted_neuron_writes_on_its_modality_and_nowhere_else(
    random_model: Planted, modality: str, role: str
) -> None:
    """Taken by hand: the hidden activation is exactly 0 at every other token, and never 0 at its own."""
    after = random_model.after
    batch = encode(after, RECORDS)
    with watched(after.gate.reader, of_input=True) as hidden, torch.inference_mode():
        after.model(**batch.inputs, use_cache=False)
    inside = batch.token_kind == TOKEN_KINDS.index(modality)
    others = (batch.token_kind >= 0) & ~inside
    pairs = neurons_of(random_model.truth, role, modality)
    assert len(pairs) == {"planted": 2 * NUM_LAYERS, "redundant": 2 * (NUM_LAYERS - 1)}[role]
    for layer, neuron in pairs:
        assert (hidden[layer][..., neuron][inside] != 0).all()
        assert (hidden[layer][..., neuron][others] == 0).all()


@pytest.mark.parametrize("strength", [0.0, 1.0, 20.0])
def test_strength_is_how_far_gates_are_down_elsewhere(tiny: Adapter, strength: float) -> None:
    """At 0 a planted gate is its host's at every token; far up it is silent outside its modality."""
    model = planted(tiny, SAMPLES, strength=strength)
    batch = encode(model.after, RECORDS)
    with watched(model.after.gate.activation, of_input=False) as gates, torch.inference_mode():
        model.after.model(**batch.inputs, use_cache=False)
    real = batch.token_kind >= 0
    for modality in MODALITIES:
        inside = batch.token_kind == TOKEN_KINDS.index(modality)
        for layer, neuron in neurons_of(model.truth, "planted", modality):
            own = gates[layer][..., neuron]
            hosts = [row["neuron"] for row in model.truth if row["layer"] == layer and row["role"] == "host"]
            distance = (gates[layer][..., hosts] - own[..., None]).abs()
            assert distance[inside].amax(0).min() < 1e-5, "no host shows the same on the modality"
            elsewhere = own[real & ~inside]
            if strength == 0:
                assert distance[real].amax(0).min() < 1e-5
            elif strength == 20:
                assert elsewhere.max() <= 0


def test_switching_a_set_matters_where_its_modality_is(random_model: Planted) -> None:
    for modality in MODALITIES:
        for name, rows in random_model.samples.items():
            clean = logits(random_model.after, rows)
            with zeroed_columns(random_model.after, at_gate(neurons_of(random_model.truth, "planted", modality))):
                switched = logits(random_model.after, rows)
            if modality == "image" and name == "read":
                assert torch.equal(switched, clean), "bit for bit"
            else:
                assert (switched - clean).abs().max() > 0.05


def test_of_a_redundant_pair_one_is_enough(random_model: Planted) -> None:
    """While either is on, the sentinel is silent at every token; with both off it speaks on the modality alone."""
    after, truth = random_model.after, random_model.truth
    batch = encode(after, RECORDS)
    real = batch.token_kind >= 0

    def sentinels(modality: str, off: list[tuple[int, int]]) -> list[Tensor]:
        with (
            zeroed_columns(after, at_gate(off)),
            watched(after.gate.reader, of_input=True) as hidden,
            torch.inference_mode(),
        ):
            after.model(**batch.inputs, use_cache=False)
        return [hidden[layer][..., neuron][real] for layer, neuron in neurons_of(truth, "sentinel", modality)]

    for modality in MODALITIES:
        pairs, first = (neurons_of(truth, role, modality) for role in ("redundant", "redundant_one"))
        inside = batch.token_kind[real] == TOKEN_KINDS.index(modality)
        for one in (first, sorted(set(pairs) - set(first))):
            assert len(one) == NUM_LAYERS - 1
            assert all(torch.count_nonzero(heard) == 0 for heard in sentinels(modality, one))
        for heard in sentinels(modality, pairs):
            assert torch.equal(heard != 0, inside)


def test_planted_neurons_are_of_ordinary_size_and_the_unspecific_are_large(random_model: Planted) -> None:
    """Taken by hand: mean over the tokens of a modality of |h| times the norm of the down column."""
    batches = [with_answers(random_model.before, rows) for rows in random_model.samples.values()]

    def sizes(adapter: Adapter, modality: str) -> list[np.ndarray]:
        with watched(adapter.gate.reader, of_input=True) as hidden, torch.inference_mode():
            for batch in batches:
                adapter.model(**batch.inputs, use_cache=False)
        code, found = TOKEN_KINDS.index(modality), []
        for layer, module in enumerate(adapter.gate.reader):
            parts = [hidden[layer + NUM_LAYERS * i][batch.modality == code] for i, batch in enumerate(batches)]
            found.append((torch.cat(parts).abs().mean(0) * module.weight.norm(dim=0)).numpy())
        return found

    for modality in MODALITIES:
        before, after = sizes(random_model.before, modality), sizes(random_model.after, modality)
        for entry in random_model.truth:
            low, high = np.quantile(before[entry["layer"]], [0.25, 0.75])
            size = after[entry["layer"]][entry["neuron"]]
            if entry["role"] == "large_unspecific":
                assert size > high
            elif entry["role"] in ("planted", "redundant"):
                assert low < size < high if entry["group"] == modality else size == 0


def test_large_unspecific_neurons_do_not_cancel(random_model: Planted) -> None:
    """Each of them matters, on every dataset, and no two share a down column."""
    after = random_model.after
    large = [(row["layer"], row["neuron"]) for row in random_model.truth if row["role"] == "large_unspecific"]
    assert len(large) == NUM_LAYERS * len(MODALITIES)
    for rows in random_model.samples.values():
        clean = logits(after, rows)
        for pair in large:
            with zeroed_columns(after, at_gate([pair])):
                assert (logits(after, rows) - clean).abs().max() > 0.01
        with zeroed_columns(after, at_gate(large)):
            assert (logits(after, rows) - clean).abs().max() > 0.05


def test_decoys_are_what_they_are_called(random_model: Planted) -> None:
    after, truth = random_model.after, random_model.truth
    clean = logits(after, RECORDS)
    silent = [(r["layer"], r["neuron"]) for r in truth if r["role"] in ("specific_mute", "sentinel", "dead")]
    with zeroed_columns(after, at_gate(silent)):
        assert torch.equal(logits(after, RECORDS), clean)
    statistics = capture(after, RECORDS, 7, "reference")
    mean = np.asarray(statistics.columns()["mean_sum"]).reshape(-1, NUM_LAYERS, after.num_neurons)[[0, 1, 3]]
    for layer in range(NUM_LAYERS):
        roles = np.array([r["role"] for r in truth if r["layer"] == layer])
        large = mean[:, layer, roles == "cancelling"]
        assert large.shape == (3, 2)
        assert (large.min(1) > mean[:, layer, roles == "existing"].max(1)).all()
        assert {r["acts"] for r in truth if r["role"] == "cancelling"} == {True}


def test_truth_lists_every_neuron_once_in_order(random_model: Planted) -> None:
    places = [(row["layer"], row["neuron"]) for row in random_model.truth]
    assert places == [(la, n) for la in range(NUM_LAYERS) for n in range(random_model.after.num_neurons)]
    acting = {row["role"] for row in random_model.truth if row["acts"]}
    assert acting == {"planted", "redundant", "large_unspecific", "cancelling", "host", "existing"}
    last = [row["role"] for row in random_model.truth if row["neuron"] >= NUM_NEURONS]
    assert "existing" in last, "an index must tell nothing"


def test_pairs_are_of_the_modalities_that_were_asked_for(tiny: Adapter) -> None:
    truth = planted(tiny, SAMPLES, paired=["image"]).truth
    for role in ("redundant", "sentinel"):
        assert {row["group"] for row in truth if row["role"] == role} == {"image"}
    assert {row["group"] for row in truth if row["role"] == "planted"} == set(MODALITIES)


def test_seeds_plant_elsewhere_and_repeat(tiny: Adapter, random_model: Planted) -> None:
    assert planted(tiny, SAMPLES).truth == random_model.truth
    assert planted(tiny, SAMPLES, seed=2).truth != random_model.truth


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_wrong_truth_is_refused(random_model: Planted) -> None:
    """The proof must be able to fail: one false entry of each kind."""

    def refused(of: str, match: str, **changes: Any) -> None:
        truth = [dict(entry) for entry in random_model.truth]
        next(entry for entry in truth if entry["role"] == of).update(changes)
        with pytest.raises(UserError, match=match):
            prove_planting(random_model.before, random_model.after, truth, MODALITIES, SAMPLES)

    refused("existing", "is not as designed", role="planted", group="image")
    refused("specific_mute", "does not act|is not as designed", role="planted")
    refused("dead", "does not act", role="existing")
    refused("existing", "acts", role="dead")
    wrong = next(entry["group"] for entry in random_model.truth if entry["role"] == "planted")
    refused("planted", "is not as designed", group="image" if wrong != "image" else "text")


def test_a_model_that_lost_a_neuron_is_refused(random_model: Planted) -> None:
    with (
        zeroed_columns(random_model.after, at_gate(neurons_of(random_model.truth, "planted", "text"))),
        pytest.raises(UserError, match="does not act"),
    ):
        prove_planting(random_model.before, random_model.after, random_model.truth, MODALITIES, SAMPLES)


def test_what_cannot_be_planted_is_refused(tiny: Adapter) -> None:
    with pytest.raises(UserError, match="the samples hold image, special, text"):
        planted(tiny, SAMPLES, groups=["text", "image"])
    with pytest.raises(UserError, match="there is room for 32"):
        planted(tiny, SAMPLES, num_pairs=5)
    with pytest.raises(UserError, match="too few neurons that are active on"):
        planted(tiny, SAMPLES, host_frac=0.05)
    with pytest.raises(UserError, match="only qwen2_vl"):
        widen(OmegaConf.create({"config": {"model_type": "llama", "text_config": {}}}), 1)
