"""MINER importance of one sample: hand-worked values, the slow implementation as oracle, and identities."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lode.importance import miner
from lode.importance.miner import sample_importance
from lode.shapes import METRICS, MODALITIES
from tests.oracle import slow_miner
from tests.recorded import MODALITY

TOLERANCE = 1e-5
KINDS = ("reference", "causal")
LN = np.log

LAYOUTS = {
    "one_token": ["audio"],
    "two_tokens": ["text", "text"],
    "all_text": ["text"] * 7,
    "one_image_token": ["text", "text", "special", "image", "text", "special"],
    "interleaved": ["text", "special", "image", "video", "audio"] * 4,
    "no_text": ["image"] * 5 + ["video"] * 3,
    "chat": ["special", "text", "text", "special"] + ["image"] * 9 + ["special"] + ["text"] * 5 + ["special"],
    "two_images": ["text"] + ["image"] * 3 + ["text"] * 2 + ["image"] * 3 + ["text", "audio"],
    "long": (["special"] + ["text"] * 6 + ["video"] * 12 + ["image"]) * 3,
}
FILLS = (
    "normal",
    "silu",
    "relu",
    "negative",
    "constant_over_tokens",
    "constant",
    "constant_over_neurons",
    "layer_scales",
)


def activations_like(fill: str, shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Random (layer, token, neuron) activations of one kind."""
    num_layers, num_tokens, num_neurons = shape
    normal = rng.standard_normal(shape)
    if fill == "normal":
        return normal
    if fill == "silu":
        return normal / (1 + np.exp(-3 * normal))
    if fill == "relu":  # many exact zeros, which are not above zero
        return np.maximum(normal, 0)
    if fill == "negative":
        return -0.1 - np.abs(normal)
    if fill == "constant_over_tokens":
        return np.repeat(rng.standard_normal((num_layers, 1, num_neurons)), num_tokens, axis=1)
    if fill == "constant":
        return np.full(shape, 0.1)
    if fill == "constant_over_neurons":
        return np.repeat(rng.standard_normal((num_layers, num_tokens, 1)), num_neurons, axis=2)
    assert fill == "layer_scales"
    return normal * 10.0 ** (2 * np.arange(num_layers) - 3)[:, None, None]


def sharp_attention(num_layers: int, num_tokens: int, rng: np.random.Generator, causal: bool = False) -> np.ndarray:
    """Random (layer, query, key) attention, rows sum to one, far from uniform so that its use shows in the scores."""
    logits = 6 * rng.standard_normal((num_layers, num_tokens, num_tokens))
    if causal:
        logits[:, ~np.tri(num_tokens, dtype=bool)] = -np.inf
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    return weights / weights.sum(axis=2, keepdims=True)


def fast(activations, attention, layout, kind="reference", dtype=torch.float64) -> np.ndarray:
    """The implementation under test, numpy in and out."""
    out = sample_importance(
        torch.tensor(np.array(activations, dtype=np.float64), dtype=dtype),
        torch.tensor(np.array(attention, dtype=np.float64), dtype=dtype),
        layout,
        MODALITY,
        attention_kind=kind,
    )
    assert isinstance(out, torch.Tensor)
    return out.double().numpy()


def slow(activations, attention, layout, kind="reference") -> np.ndarray:
    """The oracle under the same name of arguments."""
    return slow_miner.sample_importance(np.asarray(activations), np.asarray(attention), layout, kind)


both = pytest.mark.parametrize("implementation", [slow, fast])


def assert_block(out: np.ndarray, modality: str, expected: dict[str, list[float]]) -> None:
    """Compare one modality of a one-layer result with the values written in the test."""
    for metric, values in expected.items():
        got = out[METRICS.index(metric), MODALITIES.index(modality), 0]
        np.testing.assert_allclose(got, values, atol=1e-9, err_msg=f"{metric} of {modality}")


# --- worked by hand ------------------------------------------------------------------------------------------------


@both
def test_hand_reference_with_an_image_between_text(implementation):
    # Text is tokens 0 and 2. Its square of S is [[ln 2, 0], [ln 1.5, 0]]; the rest of each row goes to the image and
    # must not come back by renormalising. exp of the square = [[2, 1], [1.5, 1]].
    #   attn_k, softmax down each column: (2, 1.5) / 3.5 = (4/7, 3/7) and (1, 1) / 2 = (1/2, 1/2);
    #           sums over keys: 4/7 + 1/2 = 15/14 and 3/7 + 1/2 = 13/14.
    #   attn_q, softmax along each row: (2, 1) / 3 = (2/3, 1/3) and (1.5, 1) / 2.5 = (3/5, 2/5);
    #           sums over queries: 2/3 + 3/5 = 19/15 and 1/3 + 2/5 = 11/15.
    attention = [[[LN(2), 1 - LN(2), 0], [0.25, 0.75, 0], [LN(1.5), 1 - LN(1.5), 0]]]
    activations = [[[3, 1, -3], [1, 2, 5], [-3, 5, -1]]]
    out = implementation(activations, attention, ["text", "image", "text"])
    text = {
        "prob": [0.5, 1, 0],  # 1/2, 1, 0
        "mean": [2 / 5, 1, 0],  # 0, 3, -2 -> (0 + 2) / 5
        "max": [2 / 3, 1, 0],  # 3, 5, -1 -> (3 + 1) / 6
        "attn_k": [32 / 69, 1, 0],  # (45 - 39, 15 + 65, -45 - 13) / 14 = (6, 80, -58) / 14 -> 64 / 138
        "attn_q": [46 / 71, 1, 0],  # (57 - 33, 19 + 55, -57 - 11) / 15 = (24, 74, -68) / 15 -> 92 / 142
    }
    assert_block(out, "text", text)
    assert_block(out, "special_text", text)
    # One image token (1, 2, 5): every neuron is positive, so prob is degenerate; each softmax of one number is 1.
    one = [0, 0.25, 1]
    assert_block(out, "image", {"prob": [0, 0, 0], "mean": one, "max": one, "attn_k": one, "attn_q": one})
    # All three tokens: shares 2/3, 1, 1/3; sums 1, 8, 1; maxima 3, 5, 5.
    assert_block(out, "prompt", {"prob": [0.5, 1, 0], "mean": [0, 1, 0], "max": [0, 1, 1]})
    for absent in ("special", "video", "audio"):
        assert not out[:, MODALITIES.index(absent)].any()


@both
def test_hand_reference_union_of_text_and_special(implementation):
    # Both queries look at token 0. Down the columns everything is equal: each token weighs 1/2 + 1/2 = 1, so attn_k is
    # the sum. Along the rows (1, 0): w = e / (e + 1) and 1 - w, summed over two queries 2w and 2 - 2w.
    # attn_q: 2w, -2w + 3 (2 - 2w) = 6 - 8w, 2 - 2w = 1.4621, 0.1515, 0.5379; min-max of the last:
    # (6w - 4) / (10w - 6) = (3w - 2) / (5w - 3) = (e - 2) / (2e - 3) = 0.718281828 / 2.436563657 = 0.2947929665.
    attention = [[[1, 0], [1, 0]]]
    activations = [[[1, -1, 0], [0, 3, 1]]]
    out = implementation(activations, attention, ["special", "text"])
    union = {
        "prob": [0, 0, 0],  # each neuron is above zero at one token of two (0 is not above zero): degenerate
        "mean": [0, 1, 0],  # 1/2, 1, 1/2
        "max": [0, 1, 0],
        "attn_k": [0, 1, 0],  # 1, 2, 1
        "attn_q": [1, 0, 0.2947929665],
    }
    assert_block(out, "special_text", union)
    assert_block(out, "prompt", union)
    assert_block(out, "special", {"prob": [1, 0, 0], "mean": [1, 0, 0.5], "attn_k": [1, 0, 0.5], "attn_q": [1, 0, 0.5]})
    assert_block(out, "text", {"prob": [0, 1, 1], "mean": [0, 1, 1 / 3], "max": [0, 1, 1 / 3]})


@both
def test_hand_causal(implementation):
    # Text is tokens 0, 2, 3. Received from later text: c0 = S[2,0] + S[3,0] = 0.25 + 0.5 = 0.75, c2 = S[3,2] = 0.125,
    # c3 = 0; what token 1 gives or takes does not count. Shares 6/7, 1/7, 0: 7 * score = 6 * a0 + a2.
    attention = [[[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.5, 0.25, 0], [0.5, 0.125, 0.125, 0.25]]]
    activations = [[[1, 0, -1], [2, 4, -4], [-6, 7, 8], [100, 100, -100]]]
    out = implementation(activations, attention, ["text", "image", "text", "text"], "causal")
    score = [0, 1, 2 / 7]  # 6 - 6 = 0, 0 + 7 = 7, -6 + 8 = 2
    assert_block(out, "text", {"attn_k": score, "attn_q": score})
    # mean: 95/3, 107/3, -93/3 -> 188/200; max: 100, 100, 8
    assert_block(out, "text", {"prob": [1, 1, 0], "mean": [0.94, 1, 0], "max": [1, 1, 0]})
    # One image token receives nothing from a later one: all scores are 0, degenerate.
    assert_block(out, "image", {"attn_k": [0, 0, 0], "attn_q": [0, 0, 0], "mean": [0.75, 1, 0]})
    # prompt: c = 0.25 + 0.5 + 0.5 = 1.25, 0.5 + 0.125 = 0.625, 0.125, 0; sum 2; shares 0.625, 0.3125, 0.0625.
    # Scores 0.625 + 0.625 - 0.375 = 0.875, 1.25 + 0.4375 = 1.6875, -0.625 - 1.25 + 0.5 = -1.375: 2.25 / 3.0625 = 36/49.
    score = [36 / 49, 1, 0]
    assert_block(out, "prompt", {"attn_k": score, "attn_q": score})


# --- against the slow implementation -------------------------------------------------------------------------------


def test_orders_of_the_axes_are_those_of_the_oracle():
    assert METRICS == slow_miner.METRIC_ORDER
    assert MODALITIES == slow_miner.MODALITY_ORDER


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_the_slow_implementation(layout, kind, dtype):
    tokens = LAYOUTS[layout]
    rng = np.random.default_rng([list(LAYOUTS).index(layout), KINDS.index(kind)])
    for i, fill in enumerate(FILLS):
        num_layers, num_neurons = ((1, 5), (3, 33), (2, 8), (2, 1))[i % 4]
        # The oracle sees the numbers as rounded to the precision under test: only the arithmetic may differ.
        activations = activations_like(fill, (num_layers, len(tokens), num_neurons), rng)
        activations = torch.as_tensor(activations).to(dtype).double().numpy()
        attention = sharp_attention(num_layers, len(tokens), rng, causal=i % 2 == 0)
        attention = torch.as_tensor(attention).to(dtype).double().numpy()
        out = fast(activations, attention, tokens, kind, dtype)
        assert out.shape == (len(METRICS), len(MODALITIES), num_layers, num_neurons)
        expected = slow(activations, attention, tokens, kind)
        np.testing.assert_allclose(out, expected, rtol=0, atol=TOLERANCE, err_msg=f"{fill}, {layout}, {kind}")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    tokens=st.lists(st.sampled_from(["text", "special", "image", "video", "audio"]), min_size=1, max_size=9),
    num_layers=st.integers(1, 3),
    num_neurons=st.integers(1, 12),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_slow_implementation_on_any_layout(tokens, num_layers, num_neurons, kind, seed):
    rng = np.random.default_rng(seed)
    activations = rng.standard_normal((num_layers, len(tokens), num_neurons))
    attention = sharp_attention(num_layers, len(tokens), rng)
    out = fast(activations, attention, tokens, kind)
    np.testing.assert_allclose(out, slow(activations, attention, tokens, kind), rtol=0, atol=TOLERANCE)


def test_the_random_cases_tell_the_metrics_apart():
    # Power of the comparisons above: were two metrics swapped, the difference would be far above the tolerance.
    rng = np.random.default_rng(0)
    out = slow(rng.standard_normal((2, 20, 33)), sharp_attention(2, 20, rng), LAYOUTS["interleaved"])
    text = out[:, MODALITIES.index("text")]
    for i in range(len(METRICS)):
        for j in range(i):
            assert np.abs(text[i] - text[j]).max() > 1000 * TOLERANCE, (METRICS[i], METRICS[j])


# --- identities ----------------------------------------------------------------------------------------------------


@pytest.fixture
def case():
    """Activations (3, 20, 33), sharp unmasked attention and a layout with every modality."""
    rng = np.random.default_rng(7)
    return rng.standard_normal((3, 20, 33)), sharp_attention(3, 20, rng), LAYOUTS["interleaved"]


def assert_same(out, expected):
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_range_is_zero_to_one_and_both_ends_are_reached(case, kind):
    out = fast(*case, kind)
    assert np.all(out.min(axis=3) == 0)
    assert np.all(out.max(axis=3) == 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fill", ["constant", "constant_over_neurons"])
def test_equal_neurons_give_exactly_zero(fill, kind, dtype):
    # max == min must survive rounding: equal columns of a matrix product have to stay equal, whatever their number.
    rng = np.random.default_rng(3)
    for num_neurons in (2, 17, 67, 131):
        activations = activations_like(fill, (2, 20, num_neurons), rng)
        attention = sharp_attention(2, 20, rng)
        assert not fast(activations, attention, LAYOUTS["interleaved"], kind, dtype).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
def test_equal_shares_at_different_tokens_are_degenerate(dtype):
    # Each of seven neurons is above zero at three of seven tokens, never the same three; prob is a ratio of counts.
    signs = np.array([[1.0 if (t - n) % 7 < 3 else -1.0 for n in range(7)] for t in range(7)])
    out = fast(signs[None], sharp_attention(1, 7, np.random.default_rng(0)), ["text"] * 7, dtype=dtype)
    assert not out[METRICS.index("prob")].any()


@pytest.mark.parametrize("kind", KINDS)
def test_permuting_neurons_permutes_the_importance(case, kind):
    activations, attention, tokens = case
    order = np.random.default_rng(1).permutation(activations.shape[2])
    permuted = fast(activations[:, :, order], attention, tokens, kind)
    assert_same(permuted, fast(activations, attention, tokens, kind)[..., order])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(order=st.permutations(range(20)))
def test_permuting_tokens_changes_nothing_under_reference(order):
    rng = np.random.default_rng(7)
    activations, attention, tokens = rng.standard_normal((2, 20, 9)), sharp_attention(2, 20, rng), LAYOUTS["chat"]
    permuted = fast(activations[:, order], attention[:, order][:, :, order], [tokens[t] for t in order])
    assert_same(permuted, fast(activations, attention, tokens))


def test_permuting_tokens_changes_the_causal_score(case):
    activations, attention, tokens = case
    backwards = fast(activations[:, ::-1], attention[:, ::-1, ::-1], tokens[::-1], "causal")
    difference = np.abs(backwards - fast(activations, attention, tokens, "causal")).max(axis=(1, 2, 3))
    assert np.all(difference[:3] < 1e-9)
    assert np.all(difference[3:] > 0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_other_tokens_do_not_matter(case, kind):
    activations, attention, tokens = (np.array(part) for part in case)
    rng = np.random.default_rng(2)
    image = tokens == "image"
    changed, changed_attention = activations.copy(), attention.copy()
    changed[:, ~image] = rng.standard_normal(changed[:, ~image].shape)
    changed_attention[:, ~np.outer(image, image)] = 1 / len(tokens)
    before, after = fast(*case, kind), fast(changed, changed_attention, list(tokens), kind)
    index = MODALITIES.index("image")
    assert_same(after[:, index], before[:, index])
    assert np.abs(after - before).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_independent(case, kind):
    activations, attention, tokens = case
    whole = fast(activations, attention, tokens, kind)
    for layer in range(3):
        alone = fast(activations[layer : layer + 1], attention[layer : layer + 1], tokens, kind)
        assert_same(alone, whole[:, :, layer : layer + 1])


@pytest.mark.parametrize("kind", KINDS)
def test_scale_and_shift_of_a_layer_leave_all_but_prob(case, kind):
    # Every metric but prob is a weighted sum with one total for all neurons, or a maximum: min-max removes both.
    activations, attention, tokens = case
    scale, shift = np.array([0.5, 3, 20])[:, None, None], np.array([-2, 0, 5])[:, None, None]
    before = fast(*case, kind)
    assert_same(fast(scale * activations + shift, attention, tokens, kind)[1:], before[1:])
    assert_same(fast(scale * activations, attention, tokens, kind)[0], before[0])


@pytest.mark.parametrize("kind", KINDS)
def test_unions_of_one_kind_equal_that_kind(case, kind):
    activations, attention, _ = case
    out = fast(activations, attention, ["text"] * 20, kind)
    text, special_text, prompt = (out[:, MODALITIES.index(m)] for m in ("text", "special_text", "prompt"))
    assert_same(special_text, text)
    assert_same(prompt, text)
    out = fast(activations, attention, ["text", "special"] * 10, kind)
    assert_same(out[:, MODALITIES.index("special_text")], out[:, MODALITIES.index("prompt")])


def test_flat_attention_makes_both_attention_metrics_the_mean(case):
    activations, _, tokens = case
    out = fast(activations, np.full((3, 20, 20), 1 / 20), tokens)
    assert_same(out[METRICS.index("attn_k")], out[METRICS.index("mean")])
    assert_same(out[METRICS.index("attn_q")], out[METRICS.index("mean")])


def test_causal_changes_only_the_attention_metrics_and_fills_both_slots(case):
    causal, reference = fast(*case, "causal"), fast(*case, "reference")
    assert_same(causal[:3], reference[:3])
    assert_same(causal[3], causal[4])
    assert np.abs(causal[3] - reference[3]).max() > 0.1


def test_causal_ignores_earlier_queries_and_the_diagonal(case):
    activations, attention, tokens = case
    junk = attention + np.triu(np.random.default_rng(4).random((20, 20)))
    assert_same(fast(activations, junk, tokens, "causal"), fast(*case, "causal"))


def test_causal_without_received_attention_is_zero(case):
    # Every token looks only at itself: nothing is received from later tokens, and 0/0 must not appear.
    activations, _, tokens = case
    out = fast(activations, np.repeat(np.eye(20)[None], 3, axis=0), tokens, "causal")
    assert not out[3:].any()
    assert out[:3].any()


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_left_as_they_were(case, kind):
    activations, attention = torch.tensor(case[0]), torch.tensor(case[1])
    sample_importance(activations, attention, case[2], MODALITY, attention_kind=kind)
    assert np.array_equal(activations.numpy(), case[0])
    assert np.array_equal(attention.numpy(), case[1])


@pytest.mark.parametrize("num_bytes", [1, 4 * 8 * 3, 4 * 8 * 11])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_number_of_tokens_at_once(layout: str, num_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 1, 3 and 11 tokens of one sample give what one block gives, up to rounding."""
    rng = np.random.default_rng(5)
    tokens = LAYOUTS[layout]
    activations = torch.tensor(activations_like("silu", (1, len(tokens), 8), rng), dtype=torch.float32)
    attention = torch.tensor(rng.dirichlet(np.ones(len(tokens)), (1, len(tokens))), dtype=torch.float32)
    whole = sample_importance(activations, attention, tokens, MODALITY)
    monkeypatch.setattr(miner, "_BLOCK_BYTES", num_bytes)
    torch.testing.assert_close(sample_importance(activations, attention, tokens, MODALITY), whole, rtol=1e-5, atol=1e-6)
