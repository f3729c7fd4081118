"""Devices, number formats and attention functions: what is computed where, and what is refused before weights load."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import cpu_offload, dispatch_model
from accelerate.hooks import remove_hook_from_submodules
from torch import Tensor

from lode.checks.model import check_model, check_runtime
from lode.engine.errors import UserError
from lode.grouping.modality import GROUPS
from lode.media import encode_audio
from lode.model import adapter as adapters
from lode.model.adapter import Adapter, choose_device, find_parts, placement, refuse_offload
from lode.model.answering import generate, judge_gold, prepare_batch
from lode.model.encoding import encode
from lode.model.head import last_positions
from lode.model.loading import load, prove
from lode.model.opening import open_model
from lode.model.tokens import TOKEN_KINDS
from lode.neurons import LM_GATE, NeuronSet, SetKey, at_gate
from lode.recording._totals import home_of
from lode.stages.benchmark_ablation import CLEAN, ablate_batch
from lode.study import compose
from tests.families import load_family, save
from tests.pretend_devices import spread
from tests.recorded import attribute, capture
from tests.switching import INTERVENTIONS, intervention
from tests.tiny_model import NUM_LAYERS, RECORDS, load_tiny, model_config

MODALITIES = tuple(GROUPS)

SETS = [CLEAN, NeuronSet(SetKey("image", "method"), at_gate([(0, 3), (0, 9), (1, 4), (2, 7)]))]
WITH_IMAGE = [sample for sample in RECORDS if sample["media"]]
PLACES = [torch.device("cpu", index) for index in range(NUM_LAYERS)]


@torch.inference_mode()
def logits(adapter: Adapter, samples: Any = RECORDS) -> Tensor:
    return adapter.model(**encode(adapter, samples).inputs, use_cache=False).logits


@contextmanager
def recorded(adapter: Adapter) -> Iterator[list[Tensor]]:
    """The activations of the first sample, layer by layer."""
    seen: list[Tensor] = []
    with ExitStack() as stack:
        for module in adapter.gate.activation:
            stack.callback(module.register_forward_hook(lambda *call: seen.append(call[2][0])).remove)
        yield seen


def assert_equal_columns(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(np.asarray(one[name]), np.asarray(other[name]), err_msg=name)


# --- several devices --------------------------------------------------------------------------------------------------


def test_capture_of_layers_on_several_devices(tiny: Adapter) -> None:
    """Each layer is summed up where it lies, and the sums are bit for bit those of one device."""
    expected = capture(tiny, RECORDS, 3, "reference").columns()
    with spread(tiny, tiny.model.model.language_model.layers, PLACES):
        statistics = capture(tiny, RECORDS, 3, "reference")
        assert [{tensor.device for tensor in sums.values()} for sums in statistics.sites[LM_GATE].totals] == [
            {p} for p in PLACES
        ]
        columns = statistics.columns()
    assert_equal_columns(columns, expected)


def test_attribution_of_layers_on_several_devices(tiny: Adapter) -> None:
    """Gradients come back through the devices, and are summed up where the activations lie; copies between devices
    change the order in which they add up, so the last bits may differ.
    """
    expected = attribute(tiny, RECORDS, 3, 0.5, 2).columns()
    with spread(tiny, tiny.model.model.language_model.layers, PLACES):
        totals = attribute(tiny, RECORDS, 3, 0.5, 2)
        assert [sums["can_sum"].device for sums in totals.totals] == PLACES
        columns = totals.columns()
    for name in expected:
        if name.endswith("_sum"):
            size = np.abs(expected[name]).max()
            np.testing.assert_allclose(columns[name], expected[name], rtol=1e-5, atol=1e-6 * size, err_msg=name)


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_ablation_of_layers_on_several_devices(tiny: Adapter, name: str) -> None:
    made = intervention(tiny, name)
    expected = list(ablate_batch(tiny, WITH_IMAGE, SETS, made, 6, WITH_IMAGE[::-1]))
    with spread(tiny, tiny.model.model.language_model.layers, PLACES):
        assert tiny.device == PLACES[0]
        assert list(ablate_batch(tiny, WITH_IMAGE, SETS, made, 6, WITH_IMAGE[::-1])) == expected
    assert expected[0] != [{**row, "set_name": "none", "kind": "clean", "num_neurons": 0} for row in expected[1]]


def test_the_proof_of_layers_on_several_devices(tiny: Adapter) -> None:
    with spread(tiny, tiny.model.model.language_model.layers, PLACES):
        prove(tiny)


def test_pretended_devices_are_kept_apart(tiny: Adapter) -> None:
    """Otherwise the tests above would say nothing."""
    with spread(tiny, tiny.model.model.language_model.layers, PLACES):
        one, other = (module.weight for module in tiny.gate.reader[:2])
        assert (one.device, other.device) == (PLACES[0], PLACES[1])
        with pytest.raises(AssertionError, match=r"mixes \['cpu:0', 'cpu:1'\]"):
            one + other
        with pytest.raises(AssertionError, match="mixes"):
            one[:, torch.tensor([3], device=PLACES[1])]
        assert (one + other.to(one.device)).device == PLACES[0]
    assert tiny.gate.reader[1].weight.device == torch.device("cpu")


def test_the_hooks_of_accelerate(tiny: Adapter) -> None:
    """They wrap `forward` of every module, encoders too; all here on the CPU."""
    model = copy.deepcopy(tiny.model)
    layers = {f"model.language_model.layers.{i}": "cpu" for i in range(NUM_LAYERS)}
    others = ("model.visual", "model.language_model.embed_tokens", "model.language_model.norm", "lm_head")
    parts = {**dict.fromkeys((*others, "model.language_model.rotary_emb"), "cpu"), **layers}
    dispatch_model(model, parts, main_device="cpu", force_hooks=True)
    hooked = find_parts(tiny.config, model, tiny.processor)
    assert "_hf_hook" in vars(hooked.gate.reader[0])
    prove(hooked)
    assert_equal_columns(capture(hooked, RECORDS, 3, "causal").columns(), capture(tiny, RECORDS, 3, "causal").columns())
    rows = list(ablate_batch(hooked, RECORDS, SETS, intervention(tiny, "minimum"), 6))
    assert rows == list(ablate_batch(tiny, RECORDS, SETS, intervention(tiny, "minimum"), 6))
    remove_hook_from_submodules(model)


def test_weights_left_outside_are_refused(tiny: Adapter) -> None:
    """An intervention on weights that are copied in anew for every pass would do nothing."""
    model = copy.deepcopy(tiny.model)
    refuse_offload(tiny.config, model)
    cpu_offload(model, execution_device=torch.device("cpu"))
    with pytest.raises(UserError, match=r"spread: model tiny_qwen2_vl in float32 is too large.*model\.dtype=bfloat16"):
        refuse_offload(tiny.config, model)


def test_spread_over_one_cpu_is_that_cpu(tiny: Adapter, tiny_manifest: Path) -> None:
    assert placement("spread") == "auto"
    spread_out = load(model_config(), tiny_manifest, "spread", 1)
    assert torch.equal(logits(spread_out), logits(tiny))


def test_metal_has_no_double_precision() -> None:
    assert home_of(torch.device("mps")) == torch.device("cpu")
    assert home_of(torch.device("cuda", 1)) == torch.device("cuda", 1)


# --- which device -----------------------------------------------------------------------------------------------------


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for count, expected in ((0, "cpu"), (2, "cuda")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert choose_device("auto") == torch.device(expected)


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(
        UserError, match="cuda:2: this machine has 2 CUDA devices; expected one of auto, cpu, cuda:0, c"
    ):
        choose_device("cuda:2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(
        UserError, match=r"runtime\.device = cuda: this machine has 0 CUDA devices; expected one of auto, c"
    ):
        choose_device("cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match="no Metal device"):
        choose_device("mps")


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3", "mps", "spread"])
def test_names_of_devices(device: str) -> None:
    check_runtime(compose([f"runtime.device={device}"]))


# --- number formats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_summed_up_in_double(tiny_manifest: Path, dtype: str) -> None:
    """The proof holds, and the sums are those of the half-precision activations, taken in double precision by hand."""
    half = load_tiny(tiny_manifest, f"model.dtype={dtype}")
    assert half.dtype == getattr(torch, dtype)
    captured = capture(half, RECORDS, 1, "reference")
    summed = [
        tensor for sums in captured.sites[LM_GATE].totals for name, tensor in sums.items() if name != "num_constant"
    ]
    assert {tensor.dtype for tensor in summed} == {torch.float64}
    text = TOKEN_KINDS.index("text")
    means = torch.zeros(NUM_LAYERS, half.num_neurons, dtype=torch.float64)
    for sample in RECORDS:
        batch = encode(half, [sample])
        with torch.inference_mode(), recorded(half) as seen:
            half.model(**batch.inputs, use_cache=False)
        means += torch.stack(seen).double()[:, batch.token_kind[0] == text].mean(1)
    columns = captured.columns()
    sums = np.asarray(columns["mean_sum"]).reshape(len(MODALITIES), NUM_LAYERS, -1)[MODALITIES.index("text")]
    np.testing.assert_allclose(sums, means.numpy(), rtol=1e-5, atol=1e-5)
    rows = list(ablate_batch(half, RECORDS, SETS, intervention(half, "zero"), 4))
    assert rows[0] != rows[1]


def test_half_precision_is_restored_bit_for_bit(tiny_manifest: Path) -> None:
    half = load_tiny(tiny_manifest, "model.dtype=bfloat16")
    before = logits(half)
    list(ablate_batch(half, RECORDS, SETS, intervention(half, "zero"), 2))
    assert torch.equal(logits(half), before)


# --- attention functions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reference", "causal"])
def test_capture_does_not_depend_on_the_attention_function(tiny: Adapter, tiny_manifest: Path, kind: str) -> None:
    eager = load_tiny(tiny_manifest, "model.attn_implementation=eager")
    assert eager.attention[0].config._attn_implementation == "eager"
    one, other = (capture(adapter, RECORDS, 4, kind).columns() for adapter in (tiny, eager))
    for name in one:
        if np.asarray(one[name]).dtype.kind == "f":
            np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-4, err_msg=name)
    assert eager.attention[0].config._attn_implementation == "eager"


def test_names_of_attention_functions() -> None:
    for override, says in (
        ("model.attn_implementation=flash", "'flash'; expected one of eager, flash_attention_2, sdpa"),
        ("model.attn_implementation=flash_attention_2", "half precision only; set model.dtype=bfloat16"),
    ):
        with pytest.raises(UserError, match=says):
            check_model(compose([override]))
    check_model(compose(["model.attn_implementation=flash_attention_2", "model.dtype=bfloat16"]))


@pytest.mark.parametrize("device", ["cpu", "auto", "spread"])
def test_flash_attention_without_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str) -> None:
    """Said before anything is loaded: there is no manifest here."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    config = model_config("model.attn_implementation=flash_attention_2", "model.dtype=bfloat16")
    with pytest.raises(UserError, match=f"with runtime.device = {device}: it runs on a CUDA device only"):
        open_model(config, tmp_path / "none.json", device, 1)


def test_flash_attention_without_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(adapters, "is_flash_attn_2_available", lambda: False)
    config = model_config("model.attn_implementation=flash_attention_2", "model.dtype=bfloat16")
    for device in ("auto", "cuda:0", "spread"):
        with pytest.raises(UserError, match=r"package flash-attn is not installed.*pip install flash-attn"):
            open_model(config, tmp_path / "none.json", device, 1)


# --- the language head ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["knows logits_to_keep", "does not"])
def headed(request: pytest.FixtureRequest, tiny: Adapter, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    """A Qwen2-VL, and a Qwen2-Audio, whose class takes `logits_to_keep` for a keyword of something else."""
    if request.param == "knows logits_to_keep":
        return tiny
    return load_family("qwen2_audio_7b", save("qwen2_audio_7b", tmp_path_factory.mktemp("audio")))


@pytest.fixture(scope="module")
def shown(headed: Adapter) -> list[dict[str, Any]]:
    """Samples with and without a medium."""
    sound = vars(encode_audio(np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000))
    heard = [{**sample, "media": [sound] if sample["media"] else []} for sample in RECORDS]
    return heard if "audio" in headed.config.media_tokens else RECORDS


def test_last_positions(headed: Adapter, shown: list[dict[str, Any]]) -> None:
    """Their logits are those of a whole pass, and none of the others are computed."""
    whole, widths = logits(headed, shown), []
    head = headed.model.get_output_embeddings()
    with last_positions(headed, 3):
        hook = head.register_forward_hook(lambda _module, _inputs, output: widths.append(output.shape[1]))
        last = logits(headed, shown)
        hook.remove()
    torch.testing.assert_close(last, whole[:, -3:], rtol=1e-5, atol=1e-5)
    assert widths == [3]
    assert not head._forward_pre_hooks


def test_no_stage_computes_logits_of_whole_prompts(headed: Adapter, shown: list[dict[str, Any]]) -> None:
    """Capture needs none, a gold answer those of its own tokens and the end, a reply the last."""
    widths: list[int] = []
    hook = headed.model.get_output_embeddings().register_forward_hook(
        lambda _module, _inputs, output: widths.append(output.shape[1])
    )
    try:
        capture(headed, shown, 4, "reference")
        assert widths == [1, 1]
        batch = prepare_batch(headed, shown)
        with torch.inference_mode():
            judge_gold(headed, batch)
            assert widths[2:] == [max(len(ids) for ids in batch.gold_ids) + 1]
            generate(headed, batch.prompts, 3)
        assert set(widths[3:]) == {1}
    finally:
        hook.remove()


def test_gold_likelihood_is_that_of_the_whole_pass(headed: Adapter, shown: list[dict[str, Any]]) -> None:
    batch = prepare_batch(headed, shown)
    with torch.inference_mode():
        judged = judge_gold(headed, batch).content
        whole = headed.model(**batch.with_gold, use_cache=False).logits.double().log_softmax(-1)
    start = batch.prompts.inputs["input_ids"].shape[1] - 1
    expected = [sum(whole[i, start + k, token] for k, token in enumerate(ids)) for i, ids in enumerate(batch.gold_ids)]
    np.testing.assert_allclose(judged, expected, rtol=1e-5, atol=1e-5)
