"""An adapter finds its parts, names its tokens, is switched and restored, and does not depend on batches."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.adapter import Adapter, find_parts, token_id
from lode.model.encoding import append_tokens, encode
from lode.model.loading import prove
from lode.model.tokens import TOKEN_KINDS
from lode.model.tower import encoders_once
from lode.model.weights import zeroed_columns
from lode.neurons import at_gate
from tests.tiny_model import NUM_LAYERS, NUM_NEURONS, RECORDS, load_tiny, model_config, record

SOME = [(0, 3), (0, 40), (2, 7)]


@pytest.fixture(scope="module")
def inputs(tiny: Adapter) -> dict[str, Tensor]:
    """A padded batch with and without images."""
    return encode(tiny, RECORDS).inputs


@torch.inference_mode()
def logits(adapter: Adapter, inputs: dict[str, Tensor]) -> Tensor:
    return adapter.model(**inputs, use_cache=False).logits


@contextmanager
def recorded(modules: tuple[Any, ...]) -> Iterator[list[Tensor]]:
    """The outputs of modules, in the order of their calls."""
    seen: list[Tensor] = []
    hooks = [module.register_forward_hook(lambda *call: seen.append(call[2].detach().clone())) for module in modules]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


# --- parts and tokens -------------------------------------------------------------------------------------------------


def test_parts_are_found(tiny: Adapter) -> None:
    assert (tiny.num_layers, tiny.num_neurons) == (NUM_LAYERS, NUM_NEURONS)
    for layer, block in enumerate(tiny.model.model.language_model.layers):
        assert tiny.attention[layer] is block.self_attn
        assert tiny.gate.activation[layer] is block.mlp.act_fn
        assert tiny.gate.reader[layer] is block.mlp.down_proj
    assert tiny.towers == {"image": tiny.model.model.visual, "video": tiny.model.model.visual}
    assert not tiny.model.training
    assert not any(parameter.requires_grad for parameter in tiny.model.parameters())


def test_what_each_token_is(tiny: Adapter) -> None:
    """84 x 84 pixels are 6 x 6 patches, merged two by two: 9 image tokens."""
    batch = encode(tiny, [record("a", "what is this?", image=1)])
    codes, ids = batch.token_kind[0].tolist(), batch.inputs["input_ids"][0].tolist()
    runs = [
        (TOKEN_KINDS[code], tiny.processor.tokenizer.decode([token for _, token in run]))
        for code, run in groupby(zip(codes, ids, strict=True), key=lambda pair: pair[0])
    ]
    assert runs == [
        ("special", "<|im_start|>"),
        ("text", "system\nYou are a helpful assistant."),
        ("special", "<|im_end|>"),
        ("text", "\n"),
        ("special", "<|im_start|>"),
        ("text", "user\n"),
        ("special", "<|vision_start|>"),
        ("image", "<|image_pad|>" * 9),
        ("special", "<|vision_end|>"),
        ("text", "what is this?"),
        ("special", "<|im_end|>"),
        ("text", "\n"),
        ("special", "<|im_start|>"),
        ("text", "assistant\n"),
    ]


def test_padding_is_left_and_has_no_modality(tiny: Adapter) -> None:
    batch = encode(tiny, RECORDS)
    padding = batch.inputs["attention_mask"] == 0
    assert padding[:, 0].any()
    assert not padding[:, -1].any()
    assert torch.equal(batch.token_kind == -1, padding)
    for row, sample in enumerate(RECORDS):
        alone = encode(tiny, [sample]).token_kind[0]
        assert torch.equal(batch.token_kind[row, -len(alone) :], alone)
        assert padding[row].sum() == padding.shape[1] - len(alone)


def test_a_system_prompt_replaces_the_default(tiny: Adapter) -> None:
    adapter = Adapter(**{**vars(tiny), "config": model_config("model.system_prompt=Be brief.")})
    text = tiny.processor.tokenizer.decode(encode(adapter, RECORDS[3:4]).inputs["input_ids"][0])
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert "helpful" not in text


def test_appended_tokens_follow_the_prompt(tiny: Adapter) -> None:
    batch = encode(tiny, RECORDS[:2])
    extended = append_tokens(batch, [[5, 6, 7], [8]], pad_token_id=0)
    assert extended["input_ids"][:, -3:].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert extended["attention_mask"][:, -3:].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert torch.equal(extended["input_ids"][:, :-3], batch.inputs["input_ids"])
    assert torch.equal(extended["pixel_values"], batch.inputs["pixel_values"])


def test_a_medium_without_a_token_is_refused(tiny: Adapter) -> None:
    sample = {**record("x", "listen"), "media": [{"kind": "audio", "bytes": b"", "mime": "audio/wav"}]}
    with pytest.raises(UserError, match="sample x: holds audio, but model tiny_qwen2_vl takes image, video"):
        encode(tiny, [sample])


def test_a_blind_model_is_refused(tiny: Adapter) -> None:
    """The YAML names a token that does not stand for images."""
    adapter = Adapter(**{**vars(tiny), "config": model_config("model.media_tokens.image='<|vision_pad|>'")})
    with pytest.raises(UserError, match="sample a: its image left no token in the prompt"):
        encode(adapter, RECORDS[:1])


def test_special_tokens_are_named(tiny: Adapter) -> None:
    """Whatever the tokenizer calls special is either a medium or named in the YAML; else it would count as text."""
    adapter = Adapter(**{**vars(tiny), "config": model_config("model.special_tokens=['<|im_start|>','<|im_end|>']")})
    with pytest.raises(UserError, match=r"prompts hold <\|vision_start\|>, <\|vision_end\|>, which .* calls special"):
        prove(adapter)


def test_special_tokens_are_single(tiny: Adapter) -> None:
    assert token_id(tiny, "<|im_end|>") == tiny.processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    with pytest.raises(UserError, match=r"'<\|nothing\|>' is not one token of tiny_qwen2_vl"):
        token_id(tiny, "<|nothing|>")


def gate(**paths: str) -> str:
    """An override of one path of the site, from the list of layers on."""
    ((part, path),) = paths.items()
    return f"model.sites.lm_gate.{part}=[model.language_model.layers.{path}]"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("model.layers=model.language_model.layer", ("model.layers", "has no module 'layer'", "embed_tokens, layers")),
        ("model.layers=language_model.layers", ("model.layers", "has no module 'language_model'", "model, lm_head")),
        ("model.attention=attn", ("model.attention", "has no module 'attn'", "self_attn, mlp")),
        ("model.towers.image=model.vision", ("model.towers.image", "has no module 'vision'", "visual")),
        (gate(activation="*.mlp.act"), ("lm_gate.activation", "layers.0.mlp has no module 'act'", "act_fn")),
        (gate(activation="mlp.act_fn"), ("lm_gate.activation", "layers has no module 'mlp'", "0, 1, 2")),
        (gate(activation="*.*.act_fn"), ("lm_gate.activation", "layers.0 has no list of modules", "self_attn, mlp")),
        (gate(reader="*.mlp.down"), ("lm_gate.reader", "layers.0.mlp has no module 'down'", "down_proj")),
        (gate(reader="*.mlp.act_fn"), ("lm_gate.reader", "expected a Linear")),
        (gate(reader="0.mlp.down_proj"), ("lm_gate", "3 activations", "1 readers", "expected as many of both")),
        (
            gate(activation="*.mlp.down_proj"),
            ("lm_gate", "3 hooks fired with shapes", ", 32)", "3 layers of 48 neurons"),
        ),
        (gate(reader="*.mlp.gate_proj"), ("lm_gate", "3 hooks fired with shapes", ", 48)", "3 layers of 32 neurons")),
        (
            "model.sites.vision_tower.activation=[model.visual.patch_embed.proj]",
            ("model.sites.vision_tower", "1 hooks fired", "expected one a layer, in order: 1 layers of 32 neurons"),
        ),
        (
            "model.sites.projector.activation=[model.merger.act]",
            ("model.sites.projector.activation = 'model.merger.act': model has no module 'merger'", "visual"),
        ),
        ("~model.sites.lm_gate", ("model.sites: vision_tower, projector; expected 'lm_gate' among them",)),
    ],
)
def test_a_wrong_path_is_named(tiny: Adapter, override: str, says: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        prove(find_parts(model_config(override), tiny.model, tiny.processor))
    for part in says:
        assert part in str(error.value)


def test_layers_that_share_a_module_are_refused(tiny: Adapter) -> None:
    model = copy.deepcopy(tiny.model)
    for block in model.model.language_model.layers:
        block.mlp.act_fn = model.model.language_model.layers[0].mlp.act_fn
    with pytest.raises(UserError, match="layers share one module"):
        find_parts(tiny.config, model, tiny.processor)


def test_a_gate_without_all_layers_is_refused(tiny: Adapter) -> None:
    overrides = [f"model.sites.lm_gate.{part}=[model.language_model.layers.0.mlp.{module}]"
                 for part, module in (("activation", "act_fn"), ("reader", "down_proj"))]  # fmt: skip
    with pytest.raises(UserError, match=r"lm_gate: 1 layers, and model\.layers = .* has 3; expected one for each"):
        find_parts(model_config(*overrides), tiny.model, tiny.processor)


def test_a_site_that_no_pass_comes_by_is_refused(tiny: Adapter) -> None:
    """Here: of the second of two towers, which the model does not call."""
    model = copy.deepcopy(tiny.model)
    model.model.other = copy.deepcopy(model.model.visual)
    paths = [f"model.sites.vision_tower.{part}" for part in ("activation", "reader")]
    overrides = [f"{path}=[model.other.blocks.*.mlp.{at}]" for path, at in zip(paths, ("act", "fc2"), strict=True)]
    with pytest.raises(UserError, match="no hook fired at vision_tower on samples of image, video"):
        prove(find_parts(model_config(*overrides), model, tiny.processor))


def test_a_reader_of_something_else_is_refused(tiny: Adapter) -> None:
    """As wide as the activations, and of another layer: a zero there is another zero."""
    turned = ["1.mlp.down_proj", "0.mlp.down_proj", "2.mlp.down_proj"]
    paths = ",".join(f"model.language_model.layers.{path}" for path in turned)
    adapter = find_parts(model_config(f"model.sites.lm_gate.reader=[{paths}]"), tiny.model, tiny.processor)
    with pytest.raises(UserError, match=r"lm_gate: zeroing neurons .* between activation and reader; expected .* bit"):
        prove(adapter)


def test_a_site_without_effect_is_refused(tiny: Adapter) -> None:
    model = copy.deepcopy(tiny.model)
    model.lm_head.weight.data.zero_()
    with pytest.raises(UserError, match="does not change the logits"):
        prove(find_parts(tiny.config, model, tiny.processor))


def test_loading_twice_gives_one_model(tiny: Adapter, tiny_manifest: Path, inputs: dict[str, Tensor]) -> None:
    assert torch.equal(logits(load_tiny(tiny_manifest), inputs), logits(tiny, inputs))


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_equals_its_samples(tiny: Adapter, inputs: dict[str, Tensor]) -> None:
    together = logits(tiny, inputs)[:, -1]
    for row, sample in enumerate(RECORDS):
        alone = logits(tiny, encode(tiny, [sample]).inputs)[0, -1]
        torch.testing.assert_close(alone, together[row], rtol=1e-4, atol=1e-4)


# --- towers -----------------------------------------------------------------------------------------------------------


def test_encoders_run_once_for_equal_inputs(tiny: Adapter) -> None:
    tower = tiny.towers["image"]
    one, other = encode(tiny, RECORDS[:3]).inputs, encode(tiny, RECORDS[4:7]).inputs
    right = {name: logits(tiny, batch) for name, batch in (("one", one), ("other", other))}
    calls = [("one", one, 1), ("one", one, 1), ("other", other, 2), ("one", dict(one), 2), ("other", other, 3)]
    with recorded((tower.patch_embed,)) as runs, encoders_once(tiny):
        for name, batch, num_runs in calls:
            assert torch.equal(logits(tiny, batch), right[name])
            assert len(runs) == num_runs
        with zeroed_columns(tiny, at_gate(SOME)):
            assert not torch.equal(logits(tiny, one), right["one"])
        assert len(runs) == 3
    assert "forward" not in vars(tower)
    with recorded((tower.patch_embed,)) as runs:
        logits(tiny, one)
        logits(tiny, one)
    assert len(runs) == 2
