"""Attributions against a plain implementation in double precision: one sample, one neuron, finite differences of the
loss, and no automatic differentiation."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lode.grouping.modality import GROUPS
from lode.media import blanked
from lode.model.adapter import Adapter
from lode.model.encoding import encode
from lode.model.gold import append_gold, gold_losses
from lode.model.tokens import TOKEN_KINDS
from lode.recording.gradients import integrated_gradients
from tests.recorded import attribute
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, RECORDS, load_tiny

MODALITIES = tuple(GROUPS)

ALPHA, NUM_STEPS, STEP = 0.3, 3, 1e-4
IMAGE = 2  # a record with an image and an answer of five tokens
NEURONS = [(0, 5), (0, 31), (1, 17), (2, 40)]
CHECKED = ("image", "text", "special_text", "prompt")
Change = Callable[[Tensor], Tensor]
Table = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def precise(tiny_manifest: Path) -> Adapter:
    """The tiny model in double precision, so that differences of losses mean something.

    `transformers` computes its normalisation in single precision whatever the format, which is put right here.
    """
    adapter = load_tiny(tiny_manifest, "model.dtype=float64")
    for module in adapter.model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = partial(exact_norm, module)
    return adapter


def exact_norm(module: Any, states: Tensor) -> Tensor:
    """x / sqrt(mean x^2 + epsilon), weighted."""
    return module.weight * states / (states.square().mean(-1, keepdim=True) + module.variance_epsilon).sqrt()


class Plain:
    """One sample, its tokens by modality, and its loss with the gate site of layers changed."""

    def __init__(self, adapter: Adapter, sample: dict[str, Any]) -> None:
        self.adapter = adapter
        batch = encode(adapter, [sample])
        ids = adapter.processor.tokenizer(sample["answers"][0], add_special_tokens=False)["input_ids"]
        self.inputs = append_gold(adapter, batch, [sample]).inputs
        self.ids, self.length = ids, batch.token_kind.shape[1]
        codes = [TOKEN_KINDS[code] for code in batch.token_kind[0].tolist()]
        self.tokens = {name: [t for t, code in enumerate(codes) if code in GROUPS[name]] for name in MODALITIES}

    @torch.no_grad()
    def loss(self, changes: dict[int, Change] | None = None) -> float:
        """Negative log-likelihood of the answer, token by token."""
        with ExitStack() as stack:
            for layer, change in (changes or {}).items():
                hook = self.adapter.gate.activation[layer].register_forward_hook(
                    lambda *call, f=change: f(call[2].clone())
                )
                stack.callback(hook.remove)
            logits = self.adapter.model(**self.inputs, use_cache=False).logits[0].double()
        places = range(self.length - 1, self.length - 1 + len(self.ids))
        return -sum(float(logits[p].log_softmax(-1)[token]) for p, token in zip(places, self.ids, strict=True))

    @torch.no_grad()
    def activations(self) -> Tensor:
        """At the gate site (layer, token, neuron), prompt only."""
        seen: list[Tensor] = []
        hooks = [m.register_forward_hook(lambda *call: seen.append(call[2][0])) for m in self.adapter.gate.activation]
        self.adapter.model(**self.inputs, use_cache=False)
        for hook in hooks:
            hook.remove()
        return torch.stack(seen)[:, : self.length]

    def slope(self, layer: int, neuron: int, token: int, start: Change = lambda a: a) -> float:
        """dL/da by a central difference, on top of another change of the layer."""

        def moved(by: float) -> float:
            def change(a: Tensor) -> Tensor:
                a = start(a)
                a[0, token, neuron] += by
                return a

            return self.loss({layer: change})

        return (moved(STEP) - moved(-STEP)) / (2 * STEP)


@pytest.fixture(scope="module")
def captured(precise: Adapter) -> Table:
    """What the stage keeps of the one sample, by column (modality, layer, neuron)."""
    columns = attribute(precise, [RECORDS[IMAGE]], 1, ALPHA, NUM_STEPS).columns()
    shape = (len(MODALITIES), NUM_LAYERS, NUM_NEURONS)
    return {
        name: np.asarray(values).reshape(shape) for name, values in columns.items() if name not in ("site", "group")
    }


def assert_captured(captured: Table, name: str, modality: str, pair: tuple[int, int], expected: float) -> None:
    got = captured[name][MODALITIES.index(modality), *pair]
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-6, err_msg=f"{name} {modality} {pair}")


@pytest.mark.parametrize("pair", NEURONS)
def test_products_with_finite_differences(precise: Adapter, captured: Table, pair: tuple[int, int]) -> None:
    plain = Plain(precise, RECORDS[IMAGE])
    a = plain.activations()[pair[0], :, pair[1]].tolist()
    slopes = [plain.slope(*pair, token) for token in range(plain.length)]
    assert max(map(abs, slopes)) > 1e-3, "or this neuron tells nothing"
    for modality in CHECKED:
        tokens = plain.tokens[modality]
        product = sum(abs(a[t] * slopes[t]) for t in tokens)
        assert_captured(captured, "act_grad_sum", modality, pair, product)
        can = sum(abs(slopes[t]) ** ALPHA * abs(a[t]) for t in tokens if abs(slopes[t]) > 1e-8)
        got = captured["can_sum"][MODALITIES.index(modality), *pair]
        np.testing.assert_allclose(got, can, rtol=2e-3)


@pytest.mark.parametrize("pair", NEURONS)
def test_attribution_patching_is_the_slope_of_patching_one_neuron(
    precise: Adapter, captured: Table, pair: tuple[int, int]
) -> None:
    """Move one neuron at the tokens of one modality a little toward its activations under a blank image."""
    plain, blank = (Plain(precise, sample) for sample in (RECORDS[IMAGE], blanked(RECORDS[IMAGE])))
    layer, neuron = pair
    difference = (blank.activations() - plain.activations())[layer, :, neuron]
    for modality in CHECKED:
        tokens = plain.tokens[modality]

        def patched(share: float, tokens: list[int] = tokens) -> float:
            def change(a: Tensor) -> Tensor:
                a[0, tokens, neuron] += share * difference[tokens]
                return a

            return plain.loss({layer: change})

        slope = (patched(1e-3) - patched(-1e-3)) / 2e-3
        assert_captured(captured, "patching_sum", modality, pair, slope)
        assert_captured(captured, "patching_abs_sum", modality, pair, abs(slope))


def test_attribution_patching_foretells_patching(precise: Adapter, captured: Table) -> None:
    """Patching for good, one neuron of the last layer after another, correlates with the estimate."""
    plain, blank = (Plain(precise, sample) for sample in (RECORDS[IMAGE], blanked(RECORDS[IMAGE])))
    difference = (blank.activations() - plain.activations())[NUM_LAYERS - 1]
    clean, effects = plain.loss(), []
    for neuron in range(NUM_NEURONS):

        def change(a: Tensor, neuron: int = neuron) -> Tensor:
            a[0, : plain.length, neuron] += difference[:, neuron]
            return a

        effects.append(plain.loss({NUM_LAYERS - 1: change}) - clean)
    estimates = captured["patching_sum"][MODALITIES.index("prompt"), NUM_LAYERS - 1]
    assert np.ptp(effects) > 1e-3
    assert np.corrcoef(effects, estimates)[0, 1] > 0.95


@pytest.mark.parametrize("pair", NEURONS[1:3])
def test_integrated_gradients_with_finite_differences(precise: Adapter, captured: Table, pair: tuple[int, int]) -> None:
    """At the middle of each step all neurons of the layer are scaled down, at the tokens of the prompt."""
    plain = Plain(precise, RECORDS[IMAGE])
    a = plain.activations()[pair[0], :, pair[1]].tolist()
    expected = 0.0
    for token in plain.tokens["image"]:
        for share in (1 / 6, 3 / 6, 5 / 6):

            def scaled(whole: Tensor, share: float = share) -> Tensor:
                whole[:, : plain.length] *= share
                return whole

            expected += a[token] * plain.slope(*pair, token, scaled) / NUM_STEPS
    assert_captured(captured, "integrated_sum", "image", pair, expected)


@pytest.mark.parametrize("layer", range(NUM_LAYERS))
@pytest.mark.parametrize("from_blank", [False, True])
def test_integrated_gradients_are_complete(precise: Adapter, layer: int, from_blank: bool) -> None:
    """All attributions of a layer add up to what moving it changes the loss by; the error falls with the steps."""
    sample = RECORDS[IMAGE]
    plain = Plain(precise, sample)
    end = plain.activations()[layer][None]
    start = Plain(precise, blanked(sample)).activations()[layer][None] if from_blank else torch.zeros_like(end)

    def begin(a: Tensor) -> Tensor:
        a[:, : plain.length] = start
        return a

    gap = plain.loss() - plain.loss({layer: begin})
    answered = append_gold(precise, encode(precise, [sample]), [sample])
    errors = [
        abs(float(integrated_gradients(precise, answered, layer, start, end, steps).sum()) - gap)
        for steps in (2, 8, 64)
    ]
    assert abs(gap) > 0.01
    assert errors[2] < errors[1] < errors[0]
    assert errors[2] < 1e-3 * max(1.0, abs(gap))


@pytest.mark.parametrize("pair", NEURONS)
def test_target_contribution_by_hand(precise: Adapter, captured: Table, pair: tuple[int, int]) -> None:
    plain = Plain(precise, RECORDS[IMAGE])
    layer, neuron = pair
    gate = plain.activations()[layer, :, neuron]
    up: list[Tensor] = []
    mlp = precise.model.model.language_model.layers[layer].mlp
    hook = mlp.up_proj.register_forward_hook(lambda *call: up.append(call[2][0, : plain.length, neuron]))
    with torch.no_grad():
        precise.model(**plain.inputs, use_cache=False)
    hook.remove()
    written = mlp.down_proj.weight[:, neuron] @ precise.model.lm_head.weight[plain.ids[0]]
    for modality in CHECKED:
        expected = sum(float(gate[t] * up[0][t] * written) for t in plain.tokens[modality])
        assert_captured(captured, "target_sum", modality, pair, expected)
        assert_captured(captured, "target_abs_sum", modality, pair, abs(expected))


def test_losses_are_those_of_each_sample_alone(precise: Adapter) -> None:
    with torch.no_grad():
        losses = gold_losses(precise, append_gold(precise, encode(precise, RECORDS), RECORDS))
    expected = [Plain(precise, sample).loss() for sample in RECORDS]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
