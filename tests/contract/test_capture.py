"""Captured is the definition on activations and attention taken by hand, however samples are batched."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lode.importance.miner import sample_importance
from lode.importance.statistics import Statistics
from lode.model.adapter import Adapter
from lode.model.attention import head_mean_attention
from lode.model.encoding import encode
from lode.shapes import METRICS, MODALITIES, TOKEN_MODALITIES
from lode.stages.capture import capture, mining_split
from tests.tiny_model import NUM_LAYERS, RECORDS

COUNTS = ("num_samples", "num_tokens", "positive_count")
KEYS = ("modality", "layer", "neuron")


def columns(adapter: Adapter, samples: Sequence[dict[str, Any]], batch_size: int, kind: str) -> dict[str, np.ndarray]:
    return {name: np.asarray(v) for name, v in capture(adapter, samples, batch_size, kind).columns().items()}


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

    hooks = [m.register_forward_hook(lambda *call: activations.append(call[2][0])) for m in adapter.activation]
    hooks += [m.register_forward_pre_hook(see_attention, with_kwargs=True) for m in adapter.attention]
    adapter.model(**batch.inputs, use_cache=False)
    for hook in hooks:
        hook.remove()
    names = [TOKEN_MODALITIES[code] for code in batch.token_modality[0].tolist()]
    return torch.stack(activations), torch.stack(attention), names


@pytest.mark.parametrize("kind", ["reference", "causal"])
def test_capture_equals_the_definition(tiny: Adapter, kind: str) -> None:
    """Sums of `sample_importance` over samples, from activations and attention taken without the code under test."""
    total, positive, means = 0.0, 0, 0.0
    for sample in RECORDS:
        activations, attention, names = by_hand(tiny, sample, kind == "causal")
        assert activations.shape[0] == attention.shape[0] == NUM_LAYERS
        total = total + sample_importance(activations, attention, names, kind).double()
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
    everyone = torch.ones(1, 3, dtype=torch.bool)
    rows = head_mean_attention(query, key, 1.0, everyone, causal=False)[0]
    torch.testing.assert_close(rows, torch.tensor([[1.0, 2.0, 3.0]] * 3) / 6)
    causal = head_mean_attention(query, key, 1.0, everyone, causal=True)[0]
    torch.testing.assert_close(causal, torch.tensor([[1, 0, 0], [1 / 3, 2 / 3, 0], [1 / 6, 2 / 6, 3 / 6]]))
    padded = head_mean_attention(query, key, 1.0, torch.tensor([[False, True, True]]), causal=True)[0]
    torch.testing.assert_close(padded[1:], torch.tensor([[0, 1, 0], [0, 0.4, 0.6]]))
    assert padded.isfinite().all()


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
        (name, column): set(table[column][table["modality"] == name].tolist())
        for name in MODALITIES
        for column in COUNTS[:2]
    }
    assert count["image", "num_samples"] == {4}
    assert count["image", "num_tokens"] == {36}
    assert count["text", "num_samples"] == count["prompt", "num_samples"] == {7}
    assert count["special", "num_tokens"] == {5 * 3 + 7 * 4}
    assert count["audio", "num_samples"] == count["audio", "num_tokens"] == {0}
    lengths = [encode(tiny, [sample]).token_modality.numel() for sample in RECORDS]
    assert count["prompt", "num_tokens"] == {sum(lengths)}


def test_capture_leaves_the_model_as_it_was(tiny: Adapter) -> None:
    def logits() -> Tensor:
        with torch.inference_mode():
            return tiny.model(**encode(tiny, RECORDS).inputs, use_cache=False).logits

    before, implementation = logits(), tiny.attention[0].config._attn_implementation
    capture(tiny, RECORDS, 4, "reference")
    assert tiny.attention[0].config._attn_implementation == implementation
    assert not any(module._forward_hooks for module in tiny.activation)
    assert torch.equal(logits(), before)


def test_memory_does_not_grow_with_samples(tiny: Adapter) -> None:
    def held(statistics: Statistics) -> int:
        return sum(value.nbytes for value in vars(statistics).values() if isinstance(value, Tensor | np.ndarray))

    assert held(capture(tiny, RECORDS[:1], 1, "reference")) == held(capture(tiny, RECORDS * 2, 4, "reference"))


def test_the_split_that_is_mined() -> None:
    assert mining_split("disjoint") == "mine"
    assert mining_split("paper") == "report"
