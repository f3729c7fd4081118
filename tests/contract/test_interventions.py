"""A battery over the YAML of every intervention: restored bit for bit, nothing without neurons, alone as in a batch.

And switches that do what they say; zero against zeroed columns.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lode.intervention import SHAM, View
from lode.intervention._acting import acted_on, switched
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, append_replies, append_tokens, encode
from lode.model.tokens import REPLY, TOKEN_KINDS
from lode.model.weights import zeroed_columns
from lode.neurons import at_gate
from tests.switching import INTERVENTIONS, donors, intervention, on
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, record

ALL = [(layer, neuron) for layer in range(NUM_LAYERS) for neuron in range(NUM_NEURONS)]
SOME = [(0, 3), (0, 40), (2, 7)]
#: All with an image, as the samples of a dataset hold the same media; of different lengths.
SAMPLES = [record(str(i), "what " * (i + 1), image=i) for i in range(4)]
ONCE = {"complement": ALL}  # of `others` a full set leaves nothing
BY_HOOK = ("intervention.passes=prefill", "intervention.passes=decode", "intervention.tokens=own")

every_intervention = pytest.mark.parametrize("name", INTERVENTIONS)


@pytest.fixture(scope="module")
def batch(tiny: Adapter) -> Batch:
    return encode(tiny, SAMPLES)


@torch.inference_mode()
def logits(adapter: Adapter, inputs: dict[str, Tensor]) -> Tensor:
    return adapter.model(**inputs, use_cache=False).logits


@contextmanager
def gate(adapter: Adapter, layer: int) -> Iterator[list[Tensor]]:
    """What comes after an intervention at the gate site of a layer, pass by pass."""
    seen: list[Tensor] = []
    handle = adapter.gate.activation[layer].register_forward_hook(lambda *call: seen.append(call[2].clone()))
    try:
        yield seen
    finally:
        handle.remove()


# --- every intervention -----------------------------------------------------------------------------------------------


@every_intervention
@pytest.mark.parametrize("switch", ["intervention.passes=both", *BY_HOOK])
def test_leaving_restores_bit_for_bit(tiny: Adapter, batch: Batch, name: str, switch: str) -> None:
    before, weights = logits(tiny, batch.inputs), copy.deepcopy(tiny.model.state_dict())
    made = intervention(tiny, name, switch)

    def check() -> None:
        assert all(torch.equal(value, weights[key]) for key, value in tiny.model.state_dict().items())
        assert not any(module._forward_hooks for module in tiny.gate.activation)
        assert torch.equal(logits(tiny, batch.inputs), before)

    with on(tiny, made, SOME, SAMPLES, batch):
        assert torch.equal(logits(tiny, batch.inputs), before) == (switch == "intervention.passes=decode")
    check()

    def fail() -> None:
        with on(tiny, made, SOME, SAMPLES, batch):
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    check()


@every_intervention
@pytest.mark.parametrize("switch", ["intervention.passes=both", *BY_HOOK])
def test_no_neuron_switched_changes_nothing(tiny: Adapter, batch: Batch, name: str, switch: str) -> None:
    before = logits(tiny, batch.inputs)
    with on(tiny, intervention(tiny, name, switch), ONCE.get(name, []), SAMPLES, batch):
        assert torch.equal(logits(tiny, batch.inputs), before)


@every_intervention
def test_others_are_all_but_the_set(tiny: Adapter, batch: Batch, name: str) -> None:
    rest = [pair for pair in ALL if pair not in SOME]
    with on(tiny, intervention(tiny, name, "intervention.neurons=others"), SOME, SAMPLES, batch):
        others = logits(tiny, batch.inputs)
    with on(tiny, intervention(tiny, name, "intervention.neurons=set"), rest, SAMPLES, batch):
        assert torch.equal(logits(tiny, batch.inputs), others)


@every_intervention
@pytest.mark.parametrize("switch", ["intervention.tokens=all", "intervention.tokens=own"])
def test_a_batch_is_its_samples_one_by_one(tiny: Adapter, batch: Batch, name: str, switch: str) -> None:
    made = intervention(tiny, name, switch)
    with on(tiny, made, SOME, SAMPLES, batch):
        together = logits(tiny, batch.inputs)[:, -1]
    means = donors(tiny, made, SAMPLES)
    for row, sample in enumerate(SAMPLES):
        alone = encode(tiny, [sample])
        part = None if means is None else [layer[[row]] for layer in means]
        with switched(tiny, made, at_gate(SOME), "text", alone.token_kind, part):
            torch.testing.assert_close(logits(tiny, alone.inputs)[0, -1], together[row], rtol=1e-4, atol=1e-4)


@every_intervention
def test_sham_of_every_intervention(tiny: Adapter, batch: Batch, name: str) -> None:
    """A hook that multiplies by 1, on every neuron."""
    before = logits(tiny, batch.inputs)
    means = donors(tiny, intervention(tiny, name), SAMPLES)
    with switched(tiny, SHAM, at_gate(ALL), "image", batch.token_kind, means):
        assert torch.equal(logits(tiny, batch.inputs), before)


# --- which tokens, which passes ---------------------------------------------------------------------------------------


def gold(adapter: Adapter, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
    """Prompts with replies of one to four tokens: the inputs, and what every token is."""
    replies = [[70 + i] * (i + 1) for i in range(len(SAMPLES))]
    pad = adapter.processor.tokenizer.pad_token_id
    return append_tokens(batch, replies, pad), append_replies(batch, replies)


@every_intervention
@pytest.mark.parametrize(
    ("tokens", "passes"),
    [("all", "both"), ("all", "prefill"), ("all", "decode"), ("own", "both"), ("own", "prefill"),
     ("generated", "both"), ("generated", "decode")],
)  # fmt: skip
@pytest.mark.parametrize("modality", ["image", "special_text"])
def test_only_the_tokens_asked_for_change(
    tiny: Adapter, batch: Batch, name: str, tokens: str, passes: str, modality: str
) -> None:
    """Of a pass over prompts and replies: at the first layer, where no other intervention has had its say."""
    inputs, codes = gold(tiny, batch)
    made = intervention(tiny, name, f"intervention.tokens={tokens}", f"intervention.passes={passes}")
    with gate(tiny, 0) as clean:
        logits(tiny, inputs)
    with switched(tiny, made, at_gate(SOME), modality, codes, donors(tiny, made, SAMPLES)), gate(tiny, 0) as seen:
        logits(tiny, inputs)
    prompt = (codes >= 0) & (codes != REPLY)
    members = {"image": [TOKEN_KINDS.index("image")], "special_text": [0, 1]}
    own = torch.isin(codes, torch.tensor(members[modality]))
    asked = {"all": codes != -1, "own": own, "generated": codes == REPLY}[tokens]
    asked = asked & {"both": codes != -1, "prefill": prompt, "decode": codes == REPLY}[passes]
    differ = (clean[0] != seen[0]) & (codes != -1)[..., None]
    if made.in_weights and made.everywhere:
        assert not differ.any(), "weights act behind the gate"
        return
    chosen = torch.zeros(NUM_NEURONS, dtype=torch.bool)
    chosen[[3, 40]] = True
    if made.neurons == "others":
        chosen = ~chosen
    assert not differ[~asked].any()
    assert not differ[..., ~chosen].any()
    assert differ[asked][:, chosen].any() == bool(asked.any())


@every_intervention
def test_own_tokens_leave_earlier_ones_untouched(tiny: Adapter, batch: Batch, name: str) -> None:
    """Up to the last layer: attention is causal, and text after the image is the last."""
    image = TOKEN_KINDS.index("image")
    made = intervention(tiny, name, "intervention.tokens=own")
    with gate(tiny, NUM_LAYERS - 1) as clean:
        logits(tiny, batch.inputs)
    with on(tiny, made, [(0, 3), (1, 4)], SAMPLES, batch, "image"), gate(tiny, NUM_LAYERS - 1) as seen:
        logits(tiny, batch.inputs)
    before = (batch.token_kind == image).cumsum(1) == 0
    before &= batch.token_kind >= 0
    assert before.any(1).all()
    assert torch.equal(clean[0][before], seen[0][before])
    assert not torch.equal(clean[0][~before], seen[0][~before])


@every_intervention
def test_generated_tokens_alone_leave_the_first_word(tiny: Adapter, batch: Batch, name: str) -> None:
    """Prefill says the first token; only what follows may change."""
    made = intervention(tiny, name, "intervention.tokens=generated")
    options: dict[str, Any] = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    scores = {"output_scores": True, "return_dict_in_generate": True}
    with torch.inference_mode():
        clean = tiny.model.generate(**batch.inputs, **options, **scores)
        with on(tiny, made, ALL if made.neurons == "set" else [], SAMPLES, batch):
            switched_ = tiny.model.generate(**batch.inputs, **options, **scores)
    assert torch.equal(clean.scores[0], switched_.scores[0])
    assert not torch.equal(clean.scores[1], switched_.scores[1])


@every_intervention
@pytest.mark.parametrize("switch", ["intervention.tokens=all", *BY_HOOK, "intervention.tokens=generated"])
def test_one_pass_over_a_reply_is_decoding_it(tiny: Adapter, batch: Batch, name: str, switch: str) -> None:
    """Token by token with a cache, each a pass of its own, under the same intervention."""
    made = intervention(tiny, name, switch)
    means = donors(tiny, made, SAMPLES)
    replies = [[70, 71, 72]] * len(SAMPLES)
    inputs, codes = append_tokens(batch, replies, 0), append_replies(batch, replies)
    with switched(tiny, made, at_gate(SOME), "image", codes, means):
        at_once = logits(tiny, inputs)[:, -4:-1]
    options: dict[str, Any] = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False}
    forced = iter(replies[0])

    def say(_ids: Tensor, scores: Tensor) -> Tensor:
        spoken = torch.full_like(scores, -torch.inf)
        spoken[:, next(forced)] = 0
        return spoken

    with torch.inference_mode(), switched(tiny, made, at_gate(SOME), "image", batch.token_kind, means):
        said = tiny.model.generate(
            **batch.inputs, **options, logits_processor=[say], output_logits=True, return_dict_in_generate=True
        )
    torch.testing.assert_close(torch.stack(said.logits, 1), at_once, rtol=1e-4, atol=1e-4)


def test_tokens_of_a_set(tiny: Adapter) -> None:
    """Padding, special, text, image, reply."""
    codes = torch.tensor([[-1, 1, 0, 2, REPLY]])
    everything = intervention(tiny, "scale")
    own = intervention(tiny, "scale", "intervention.tokens=own")
    assert acted_on(everything, codes, "text")[0, 1:].all()
    assert acted_on(own, codes, "text").tolist() == [[False, False, True, False, False]]
    assert acted_on(own, codes, "special_text").tolist() == [[False, True, True, False, False]]
    assert acted_on(own, codes, "prompt").tolist() == [[False, True, True, True, False]]


# --- values -----------------------------------------------------------------------------------------------------------

ACTIVATIONS = torch.tensor([[[9.0, 9.0, 9.0], [1.0, -2.0, 3.0], [4.0, 5.0, -6.0], [7.0, 8.0, 0.5]]])
CODES = torch.tensor([[-1, TOKEN_KINDS.index("text"), TOKEN_KINDS.index("image"), REPLY]])
DONORS = torch.tensor([[[10.0, 11.0], [20.0, 21.0], [30.0, 31.0], [40.0, 41.0], [50.0, 51.0], [60.0, 61.0]]])
VIEW = View(ACTIVATIONS, ACTIVATIONS[..., [0, 2]], CODES, torch.tensor([[1.0, 2.0], [5.0, 10.0]]), DONORS)
#: By name and options, at the text, image and reply token of neurons 0 and 2.
VALUES: list[tuple[str, list[str], list[list[float]]]] = [
    ("zero", [], [[0, 0], [0, 0], [0, 0]]),
    ("complement", [], [[0, 0], [0, 0], [0, 0]]),
    ("constant", ["intervention.options.value=2.5"], [[2.5, 2.5]] * 3),
    ("scale", ["intervention.options.strength=-2.0"], [[-2, -6], [-8, 12], [-14, -1]]),
    ("minimum", [], [[-6, -6], [-6, -6], [0.5, 0.5]]),
    ("class_mean", [], [[1, 2]] * 3),
    ("other_mean", [], [[5, 10]] * 3),
    ("steering", ["intervention.options.strength=-1.0"], [[1 + 4, 3 + 8], [4 + 4, -6 + 8], [7 + 4, 0.5 + 8]]),
    ("resample", [], [[10, 11], [30, 31], [60, 61]]),
]


@pytest.mark.parametrize(("name", "options", "expected"), VALUES, ids=[name for name, *_ in VALUES])
def test_values_by_hand(tiny: Adapter, name: str, options: list[str], expected: list[list[float]]) -> None:
    new = intervention(tiny, name, *options).new_values(VIEW)
    np.testing.assert_allclose(torch.broadcast_to(new, VIEW.chosen.shape)[0, 1:], expected)


def test_every_intervention_has_values_by_hand() -> None:
    assert sorted(name for name, *_ in VALUES) == INTERVENTIONS


# --- zero -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neurons", [[(1, 5)], SOME, ALL[::3]], ids=len)
def test_zero_is_a_zero_column_and_a_zero_activation(
    tiny: Adapter, batch: Batch, neurons: list[tuple[int, int]]
) -> None:
    """Baked into the weights, and by hooks that act everywhere because both switches together say so."""
    baked = intervention(tiny, "zero")
    assert (baked.in_weights, baked.everywhere) == (True, True)
    with on(tiny, baked, neurons, SAMPLES, batch):
        assert not any(module._forward_hooks for module in tiny.gate.activation)
        switched_off = logits(tiny, batch.inputs)
    with zeroed_columns(tiny, at_gate(neurons)):
        assert torch.equal(logits(tiny, batch.inputs), switched_off)
    prefill = intervention(tiny, "zero", "intervention.passes=prefill")
    scaled = intervention(tiny, "scale", "intervention.options.strength=0.0")
    constant = intervention(tiny, "constant", "intervention.options.value=0.0")
    own = intervention(tiny, "zero", "intervention.tokens=own")
    for made in (prefill, scaled, constant, own):
        with on(tiny, made, neurons, SAMPLES, batch, "prompt"):
            hooked = logits(tiny, batch.inputs)
        real = batch.token_kind >= 0
        torch.testing.assert_close(hooked[real], switched_off[real], rtol=1e-5, atol=1e-5)
    assert not torch.equal(switched_off, logits(tiny, batch.inputs))


def test_minimum_does_not_see_padding(tiny: Adapter, batch: Batch) -> None:
    """The padded values are made the smallest of all, and must not count."""
    real = batch.token_kind >= 0

    def lower_padding(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        return output.masked_fill(~real[..., None], -50.0)

    handle = tiny.gate.activation[0].register_forward_hook(lower_padding)
    with gate(tiny, 0) as clean:
        logits(tiny, batch.inputs)
    with on(tiny, intervention(tiny, "minimum"), SOME, SAMPLES, batch), gate(tiny, 0) as seen:
        logits(tiny, batch.inputs)
    handle.remove()
    for row in range(len(SAMPLES)):
        expected = clean[0][row].clone()
        expected[:, [3, 40]] = clean[0][row][real[row]].min()
        assert torch.equal(seen[0][row][real[row]], expected[real[row]])
