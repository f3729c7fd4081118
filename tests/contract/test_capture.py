"""Captured is the definition on activations and attention taken by hand, however samples are batched."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lode.dataset._mining import mining_split
from lode.engine.errors import UserError
from lode.grouping.modality import GROUPS
from lode.importance import METRICS
from lode.importance.miner import sample_importance
from lode.importance.normalisation import normalise
from lode.model import attention
from lode.model.adapter import Adapter
from lode.model.attention import head_mean_attention, visible_keys
from lode.model.encoding import encode
from lode.model.tokens import TOKEN_KINDS
from lode.neurons import LM_GATE
from lode.recording._histogram import bin_edges
from lode.recording._totals import Totals
from lode.recording.activations import Activations
from tests.recorded import MODALITY, capture
from tests.tiny_model import NUM_LAYERS, RECORDS

MODALITIES = tuple(GROUPS)

COUNTS = ("num_samples", "num_tokens", "positive_count", "histogram")
KEYS = ("site", "group", "layer", "neuron", "down_norm")


EVERYTHING = {"num_bins": 16, "hidden_site": True}


def columns(
    adapter: Adapter,
    samples: Sequence[dict[str, Any]],
    batch_size: int,
    kind: str,
    options: Mapping[str, Any] = EVERYTHING,
) -> dict[str, np.ndarray]:
    captured = capture(adapter, samples, batch_size, kind, **options).columns()
    return {
        name: values.flatten().to_numpy() if name == "histogram" else np.asarray(values)
        for name, values in captured.items()
    }


def assert_equal_tables(one: dict[str, np.ndarray], other: dict[str, np.ndarray], tolerance: float) -> None:
    """Keys and counts exactly, sums to a tolerance."""
    assert one.keys() == other.keys()
    for name in one:
        if name in (*KEYS, *COUNTS):
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
        else:
            np.testing.assert_allclose(one[name], other[name], rtol=tolerance, atol=tolerance, err_msg=name)


def rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of (batch, head, token, dim): the second half of each vector turns against the first."""
    first, second = states.chunk(2, dim=-1)
    return states * cos[:, None] + torch.cat([-second, first], dim=-1) * sin[:, None]


@torch.inference_mode()
def by_hand(adapter: Adapter, sample: dict[str, Any], causal: bool) -> tuple[Tensor, Tensor, list[str]]:
    """Activations, head-mean attention (layer, token, token) and token modalities of one sample, by plain hooks."""
    batch = encode(adapter, [sample])
    activations: list[Tensor] = []
    attention: list[Tensor] = []

    def see_attention(module: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        hidden = kwargs["hidden_states"]
        num_tokens, dim = hidden.shape[1], module.head_dim
        query, key = (p(hidden).view(1, num_tokens, -1, dim).transpose(1, 2) for p in (module.q_proj, module.k_proj))
        query, key = (rotate(states, *kwargs["position_embeddings"])[0] for states in (query, key))
        heads = []
        for head in range(query.shape[0]):
            products = query[head] @ key[head // (query.shape[0] // key.shape[0])].T / dim**0.5
            if causal:
                products = products + torch.full_like(products, -torch.inf).triu(1)
            heads.append(products.softmax(-1))
        attention.append(torch.stack(heads).mean(0))

    hooks = [m.register_forward_hook(lambda *call: activations.append(call[2][0])) for m in adapter.gate.activation]
    hooks += [m.register_forward_pre_hook(see_attention, with_kwargs=True) for m in adapter.attention]
    adapter.model(**batch.inputs, use_cache=False)
    for hook in hooks:
        hook.remove()
    names = [TOKEN_KINDS[code] for code in batch.token_kind[0].tolist()]
    return torch.stack(activations), torch.stack(attention), names


@pytest.mark.parametrize("kind", ["reference", "causal"])
def test_capture_equals_the_definition(tiny: Adapter, kind: str) -> None:
    """Sums of `sample_importance` over samples, from activations and attention taken without the code under test."""
    total, positive, means = 0.0, 0, 0.0
    for sample in RECORDS:
        activations, attention, names = by_hand(tiny, sample, kind == "causal")
        assert activations.shape[0] == attention.shape[0] == NUM_LAYERS
        total = total + sample_importance(activations, attention, names, MODALITY, kind).double()
        image = torch.tensor([name == "image" for name in names])
        positive += (activations[:, image] > 0).sum(1)
        if image.any():
            means += activations[:, image].mean(1).double()
    captured = columns(tiny, RECORDS, 1, kind)
    shape = (len(MODALITIES), NUM_LAYERS, tiny.num_neurons)
    for index, metric in enumerate(METRICS):
        score_sum = captured[f"{metric}_score_sum"].reshape(shape)
        np.testing.assert_allclose(score_sum, total[index].numpy(), rtol=1e-4, atol=1e-4, err_msg=metric)
    image = MODALITIES.index("image")
    np.testing.assert_array_equal(captured["positive_count"].reshape(shape)[image], positive.numpy())
    np.testing.assert_allclose(captured["mean_sum"].reshape(shape)[image], means.numpy(), rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def hidden_by_hand(adapter: Adapter, sample: dict[str, Any]) -> Tensor:
    """gate * up of every layer (layer, token, neuron), from the weights: down_proj is not looked at."""
    hidden: list[Tensor] = []
    gates: list[Tensor] = []
    hooks = [m.register_forward_hook(lambda *call: gates.append(call[2][0])) for m in adapter.gate.activation]
    layers = adapter.model.model.language_model.layers
    hooks += [
        layer.mlp.up_proj.register_forward_hook(lambda *call: hidden.append(gates[-1] * call[2][0])) for layer in layers
    ]
    adapter.model(**encode(adapter, [sample]).inputs, use_cache=False)
    for hook in hooks:
        hook.remove()
    return torch.stack(hidden)


def test_magnitudes_histograms_and_hidden_site_equal_the_definition(tiny: Adapter) -> None:
    captured = columns(tiny, RECORDS, 3, "reference")
    shape = (len(MODALITIES), NUM_LAYERS, tiny.num_neurons)
    image = MODALITIES.index("image")
    absolute, squares, hidden = 0.0, 0.0, 0.0
    counts = np.zeros((*shape[1:], 16), dtype=np.int64)
    for sample in RECORDS:
        activations, _, names = by_hand(tiny, sample, False)
        inside = torch.tensor([name == "image" for name in names])
        if inside.any():
            mean = activations[:, inside].abs().mean(1).double()
            absolute, squares = absolute + mean, squares + mean**2
            hidden += hidden_by_hand(tiny, sample)[:, inside].abs().mean(1).double()
            bins = np.digitize(activations[:, inside].mean(1).numpy(), bin_edges(16))
            np.add.at(counts, (*np.indices(bins.shape), bins), 1)
    for name, expected in (("abs_mean_sum", absolute), ("abs_mean_sumsq", squares), ("hidden_abs_sum", hidden)):
        np.testing.assert_allclose(captured[name].reshape(shape)[image], expected, rtol=1e-5, err_msg=name)
    np.testing.assert_array_equal(captured["histogram"].reshape(*shape, 16)[image], counts)
    assert (counts.sum(-1) == 4).all()
    assert np.count_nonzero(counts.sum((0, 1))) > 4, "or the bins are too coarse to tell anything"


def test_histograms_count_the_samples_that_hold_the_modality(tiny: Adapter) -> None:
    table = columns(tiny, RECORDS, 3, "reference")
    np.testing.assert_array_equal(table["histogram"].reshape(-1, 16).sum(1), table["num_samples"])


def test_down_norm_is_that_of_the_columns(tiny: Adapter) -> None:
    table = columns(tiny, RECORDS[:1], 1, "reference")
    norms = table["down_norm"].reshape(len(MODALITIES), NUM_LAYERS, -1)
    for layer, module in enumerate(tiny.gate.reader):
        for neuron in (0, 7, 47):
            expected = np.sqrt((module.weight.detach().double().numpy()[:, neuron] ** 2).sum())
            np.testing.assert_allclose(norms[:, layer, neuron], expected, rtol=1e-6)


def test_what_is_not_asked_for_is_left_out(tiny: Adapter) -> None:
    full, usual = (columns(tiny, RECORDS, 4, "reference", part) for part in (EVERYTHING, {}))
    assert full.keys() - usual.keys() == {"histogram", "hidden_abs_sum"}
    for name, values in usual.items():
        np.testing.assert_array_equal(values, full[name], err_msg=name)
    assert not any(module._forward_pre_hooks for module in tiny.gate.reader)


@pytest.mark.parametrize("kind", ["rank", "zscore", "robust", "none"])
def test_normalisation_changes_the_scores_and_nothing_else(tiny: Adapter, kind: str) -> None:
    kinds = ({"normalisation": name} for name in ("minmax", kind))
    usual, other = (columns(tiny, RECORDS[:2], 1, "reference", options) for options in kinds)
    total = 0.0
    for sample in RECORDS[:2]:
        activations, _, names = by_hand(tiny, sample, False)
        inside = torch.tensor([name == "image" for name in names])
        if inside.any():
            total += normalise(activations[:, inside].mean(1), kind)[0].double()
    got = other["mean_score_sum"].reshape(len(MODALITIES), NUM_LAYERS, -1)[MODALITIES.index("image")]
    np.testing.assert_allclose(got, total, rtol=1e-3, atol=1e-3)
    for name in usual:
        if name.endswith("_score_sum"):
            assert np.abs(usual[name] - other[name]).max() > 0.01, name
        else:
            np.testing.assert_array_equal(usual[name], other[name])


def test_causal_attention_is_what_the_model_itself_uses(tiny: Adapter) -> None:
    """The weights that `transformers` returns from its eager attention, averaged over heads."""
    _, attention, _ = by_hand(tiny, RECORDS[0], causal=True)
    config = tiny.attention[0].config
    config._attn_implementation = "eager"
    try:
        with torch.inference_mode():
            inputs = encode(tiny, RECORDS[:1]).inputs
            weights = tiny.model(**inputs, use_cache=False, output_attentions=True).attentions
    finally:
        config._attn_implementation = "sdpa"
    torch.testing.assert_close(attention, torch.stack(weights)[:, 0].mean(1), rtol=1e-4, atol=1e-5)


def test_head_mean_attention_by_hand() -> None:
    """One head of one dimension: logits 0, ln 2, ln 3 give rows of 1/6, 2/6, 3/6; padding and the future get 0."""
    query = torch.ones(1, 1, 3, 1)
    key = torch.log(torch.tensor([1.0, 2.0, 3.0])).reshape(1, 1, 3, 1)
    everyone = torch.ones(1, 1, 1, 3, dtype=torch.bool)
    rows = head_mean_attention(query, key, 1.0, everyone)[0]
    torch.testing.assert_close(rows, torch.tensor([[1.0, 2.0, 3.0]] * 3) / 6)
    causal = head_mean_attention(query, key, 1.0, visible_keys(None, query, None))[0]
    torch.testing.assert_close(causal, torch.tensor([[1, 0, 0], [1 / 3, 2 / 3, 0], [1 / 6, 2 / 6, 3 / 6]]))
    real = torch.tensor([[False, True, True]])
    padded = head_mean_attention(query, key, 1.0, visible_keys(real, query, None))[0]
    torch.testing.assert_close(padded[1:], torch.tensor([[0, 1, 0], [0, 0.4, 0.6]]))
    assert padded.isfinite().all()


def test_visible_keys_by_hand() -> None:
    """Every implementation says in its own form what a query sees: itself and the key before; the first is padding."""
    query = torch.ones(1, 2, 4, 1)
    expected = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]).bool()
    real = torch.tensor([[0, 1, 1, 1]])
    added = torch.zeros(1, 1, 4, 4).masked_fill(~expected, torch.finfo(torch.float32).min)
    for mask, window in ((real, 2), (expected[None, None], None), (added, None), (added, 1)):
        assert torch.equal(visible_keys(mask, query, window)[0, 0], expected)
    assert torch.equal(visible_keys(None, query, None)[0, 0], torch.ones(4, 4).tril().bool())


@pytest.mark.parametrize("name", attention.OTHER_WEIGHTS)
def test_other_weights_are_refused(tiny: Adapter, name: str) -> None:
    attention.refuse_other_weights(tiny, {"scaling": 1.0, name: None})
    with pytest.raises(UserError, match=f"model tiny_qwen2_vl: its attention takes {name}"):
        attention.refuse_other_weights(tiny, {"scaling": 1.0, name: 50.0})


@pytest.mark.parametrize("causal", [False, True])
def test_head_mean_attention_by_blocks(causal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grouped keys, padding, and queries a few at a time give what one product over repeated keys gives."""
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(2, heads, 7, 4, generator=generator) for heads in (6, 2))
    real = torch.tensor([[True] * 7, [False] * 3 + [True] * 4])
    visible = real[:, None, None, :] & (torch.ones(7, 7, dtype=torch.bool).tril() if causal else True)
    logits = query @ key.repeat_interleave(3, dim=1).mT * 0.5
    expected = logits.masked_fill(~visible, torch.finfo(logits.dtype).min).softmax(-1).mean(1)
    for num_bytes in (1, 4 * 2 * 6 * 7 * 2, 2**20):
        monkeypatch.setattr(attention, "_BLOCK_BYTES", num_bytes)
        torch.testing.assert_close(head_mean_attention(query, key, 0.5, visible), expected)


@pytest.mark.parametrize("kind", ["reference", "causal"])
@pytest.mark.parametrize("batch_size", [4, len(RECORDS)])
def test_batches_do_not_matter(tiny: Adapter, kind: str, batch_size: int) -> None:
    assert_equal_tables(columns(tiny, RECORDS, 1, kind), columns(tiny, RECORDS, batch_size, kind), 1e-4)


def test_order_of_samples_does_not_matter(tiny: Adapter) -> None:
    assert_equal_tables(columns(tiny, RECORDS, 1, "reference"), columns(tiny, RECORDS[::-1], 1, "reference"), 1e-9)


def test_shards_add_up(tiny: Adapter) -> None:
    whole = columns(tiny, RECORDS, 1, "reference")
    parts = [columns(tiny, RECORDS[shard::2], 1, "reference") for shard in range(2)]
    merged = {name: parts[0][name] if name in KEYS else parts[0][name] + parts[1][name] for name in whole}
    assert_equal_tables(whole, merged, 1e-12)


def test_counts(tiny: Adapter) -> None:
    """Four of seven records hold an image of nine tokens; every record has text; none has sound."""
    table = columns(tiny, RECORDS, 4, "reference")
    count = {
        (name, column): set(table[column][table["group"] == name].tolist())
        for name in MODALITIES
        for column in COUNTS[:2]
    }
    assert count["image", "num_samples"] == {4}
    assert count["image", "num_tokens"] == {36}
    assert count["text", "num_samples"] == count["prompt", "num_samples"] == {7}
    assert count["special", "num_tokens"] == {5 * 3 + 7 * 4}
    assert count["audio", "num_samples"] == count["audio", "num_tokens"] == {0}
    lengths = [encode(tiny, [sample]).token_kind.numel() for sample in RECORDS]
    assert count["prompt", "num_tokens"] == {sum(lengths)}


def test_capture_leaves_the_model_as_it_was(tiny: Adapter) -> None:
    def logits() -> Tensor:
        with torch.inference_mode():
            return tiny.model(**encode(tiny, RECORDS).inputs, use_cache=False).logits

    before, implementation = logits(), tiny.attention[0].config._attn_implementation
    capture(tiny, RECORDS, 4, "reference")
    assert tiny.attention[0].config._attn_implementation == implementation
    assert not any(module._forward_hooks for module in tiny.gate.activation)
    assert torch.equal(logits(), before)


def test_memory_does_not_grow_with_samples(tiny: Adapter) -> None:
    def held(captured: Activations) -> int:
        statistics: Totals = captured.sites[LM_GATE]
        arrays = [value for value in vars(statistics).values() if isinstance(value, np.ndarray)]
        return sum(value.nbytes for value in (*arrays, *(v for sums in statistics.totals for v in sums.values())))

    assert held(capture(tiny, RECORDS[:1], 1, "reference")) == held(capture(tiny, RECORDS * 2, 4, "reference"))


def test_the_split_that_is_mined() -> None:
    assert mining_split("disjoint") == "mine"
    assert mining_split("paper") == "test"
