"""Models of which a part comes in a wheel: what is put together is what there was before it was taken apart."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import gguf
import numpy as np
import pytest
import torch
import transformers
from gguf.quants import quantize
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file

from lode.checks.model import check_model
from lode.engine.errors import UserError
from lode.model import assembling
from lode.model.answering import generate
from lode.model.assembling import assemble
from lode.model.encoding import encode
from lode.model.loading import load
from lode.model.manifest import describe
from lode.stages import download_model
from lode.study import compose
from tests.families.llava import CLIP, CLIP_PIXELS, CLIP_TOKENS
from tests.families.parts import chatml, randomise, tokenizer
from tests.gguf_files import SPECIAL, language_model, write_gguf
from tests.tiny_model import record
from tests.wheels import keep_in, look_into, write_wheel

FILE = "made_up/tiny.gguf"
OURS = "model of ours"
MARKUP = chatml(image="<image>")


class Offer(NamedTuple):
    """A language model in a wheel that pip finds, and what a YAML says of it."""

    model: Any
    part: dict[str, str]


def offer(folder: Path, model: Any, **how: Any) -> dict[str, str]:
    """Put a model into a wheel in the folder that pip looks into."""
    folder.mkdir(parents=True, exist_ok=True)
    file = write_gguf(folder / "tiny.gguf", model, **how)
    wheel = write_wheel(folder, {FILE: file.read_bytes()})
    file.unlink()
    return {"source": f"pypi:{wheel.requirement}", "file": FILE, "sha256": wheel.sha256}


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offer:
    keep_in(monkeypatch, tmp_path / "cache")
    look_into(monkeypatch, tmp_path / "offered")
    model = language_model()
    return Offer(model, offer(tmp_path / "offered", model))


def facts_of(of: str, **own: Any) -> Any:
    """The config of a model, with facts of its own."""
    facts: Any = OmegaConf.to_container(compose([f"model={of}"]).model, resolve=True)
    return OmegaConf.create({"model": {**facts, **own}})


def text_alone(folder: Path, part: dict[str, str]) -> Any:
    """The config of a language model of which only the chat template is ours."""
    folder.mkdir(exist_ok=True)
    (folder / "chat_template.jinja").write_text(MARKUP)
    (folder / "README.md").write_text("A model card, which is not loaded.")
    return facts_of("smollm2", name="tiny", source=str(folder), parts={"model": part})


def with_eyes(folder: Path, part: dict[str, str], text_config: dict[str, Any]) -> tuple[Any, Any]:
    """A LLaVA of which all but the language model is ours: its config, and the whole model."""
    facts = {"vision_config": CLIP, "image_token_index": SPECIAL.index("<image>"), "text_config": text_config}
    model = transformers.LlavaForConditionalGeneration(transformers.LlavaConfig(**facts))
    randomise(model)
    words = tokenizer(SPECIAL, pad="<|im_end|>", end="<|im_end|>")
    pixels = transformers.CLIPImageProcessor(**CLIP_PIXELS)
    processor = transformers.LlavaProcessor(
        image_processor=pixels, tokenizer=words, chat_template=chatml(image="<image>\n"), **CLIP_TOKENS
    )
    processor.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    model.config.architectures = ["LlavaForConditionalGeneration"]
    model.config.save_pretrained(folder)
    eyes = {n: t for n, t in model.state_dict().items() if "language_model" not in n and n != "lm_head.weight"}
    save_file(eyes, folder / "eyes.safetensors")
    own = {"name": "eyes", "source": str(folder), "revision": None, "dtype": "float32"}
    own |= {"special_tokens": ["<|im_start|>", "<|im_end|>"], "parts": {"model.language_model": part}}
    return facts_of("llava_1_5_7b", **own), model


def run(cfg: Any, manifest: Path) -> dict[str, Any]:
    """Make the manifest as the step does."""
    check_model(cfg)
    download_model.run(OmegaConf.merge(cfg, {"io": {"manifest": str(manifest)}}), {})
    return json.loads(manifest.read_text())


def test_a_language_model_comes_back_bit_for_bit(offered: Offer, tmp_path: Path) -> None:
    cfg = text_alone(tmp_path / OURS, offered.part)
    facts = run(cfg, tmp_path / "manifest.json")
    held = load_file(Path(facts["folder"]) / "model.safetensors")
    before = offered.model.state_dict()
    assert held.keys() == before.keys() - {"lm_head.weight"}  # tied
    assert all(torch.equal(tensor, before[name]) for name, tensor in held.items())
    adapter = load(cfg.model, tmp_path / "manifest.json", "cpu", 1)
    batch = encode(adapter, [record("a", "in  12, and so"), record("b", "no")])
    prompt = adapter.processor.tokenizer.convert_ids_to_tokens(batch.inputs["input_ids"][0])
    assert "".join(prompt) == "<|im_start|>userĊin\u0120\u012012,\u0120and\u0120so<|im_end|>Ċ<|im_start|>assistantĊ"
    with torch.inference_mode():
        expected = offered.model(**batch.inputs).logits
        assert torch.equal(adapter.model(**batch.inputs).logits, expected)
    assert [reply.num_tokens for reply in generate(adapter, batch, 3)]


def test_the_manifest_records_it_part_by_part(offered: Offer, tmp_path: Path) -> None:
    cfg = text_alone(tmp_path / OURS, offered.part)
    facts = run(cfg, tmp_path / "manifest.json")
    made, template = facts["made_of"], tmp_path / OURS / "chat_template.jinja"
    digest = sha256(template.read_bytes()).hexdigest()
    assert made["folder"] == {"source": str(tmp_path / OURS), "files": [{"name": template.name, "sha256": digest}]}
    assert made["wheels"] == [{"part": "model", **offered.part}]
    assert made["unpacked_by"].keys() == {"transformers", "gguf"}
    assert facts["files"] == describe(Path(facts["folder"]))
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} < {
        file["name"] for file in facts["files"]
    }


def test_equal_parts_give_equal_bytes_once(offered: Offer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = text_alone(tmp_path / OURS, offered.part)
    folder, files = assemble(cfg.model)
    keep_in(monkeypatch, tmp_path / "another cache")
    other, again = assemble(cfg.model)
    assert (other.name, again) == (folder.name, files)
    assert other != folder
    (tmp_path / "offered").rename(tmp_path / "away")
    monkeypatch.setattr(assembling, "write_model", lambda *_: pytest.fail("it is at hand"))
    assert assemble(cfg.model) == (other, files)


def test_what_is_ours_is_another_model(offered: Offer, tmp_path: Path) -> None:
    cfg = text_alone(tmp_path / OURS, offered.part)
    folder, _ = assemble(cfg.model)
    (tmp_path / OURS / "chat_template.jinja").write_text(MARKUP + " ")
    assert assemble(cfg.model)[0] != folder


def test_a_damaged_or_half_made_model_is_made_again(offered: Offer, tmp_path: Path) -> None:
    cfg = text_alone(tmp_path / OURS, offered.part)
    folder, files = assemble(cfg.model)
    (folder / "config.json").write_text("{}")
    left = folder.with_name(f".{folder.name}.killed")
    left.mkdir()
    assert assemble(cfg.model) == (folder, files)
    assert describe(folder) == files
    assert not left.exists()


@pytest.mark.parametrize(
    ("split", "expected"),
    [("smollm", ["in", "ĠĠ", "1", "2"]), ("gpt-2", ["in", "Ġ", "Ġ", "12"])],
)
def test_texts_are_split_as_the_file_says(offered: Offer, tmp_path: Path, split: str, expected: list[str]) -> None:
    """Two blanks before a digit are one token only where digits are cut off first."""
    cfg = text_alone(tmp_path / OURS, offered.part)
    words = assembling.read_tokenizer(cfg.model, write_gguf(tmp_path / "x.gguf", offered.model, split=split))
    words.save_pretrained(tmp_path / "words")
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "words").tokenize("in  12") == expected


def test_quantised_weights_are_their_codes_times_a_step_plus_a_floor(offered: Offer, tmp_path: Path) -> None:
    """Q4_1 by hand: of 32 numbers a step and a floor in half precision, then 16 bytes, the first half of the codes in
    their low bits."""
    kind = gguf.GGMLQuantizationType.Q4_1
    file = write_gguf(tmp_path / "x.gguf", offered.model, quant=kind)
    name = "model.layers.1.mlp.down_proj.weight"
    packed = quantize(offered.model.state_dict()[name].numpy(), kind)
    rows = []
    for row in packed:
        values = []
        for block in row.reshape(-1, 20):
            step, floor = (float(number) for number in block[:4].view(np.float16))
            codes = [int(byte) & 15 for byte in block[4:]] + [int(byte) >> 4 for byte in block[4:]]
            values += [np.float32(step) * np.float32(code) + np.float32(floor) for code in codes]
        rows.append(values)
    read = assembling.read_language_model(SimpleNamespace(name="tiny"), file).state_dict()[name]
    assert torch.equal(read, torch.tensor(np.array(rows, dtype=np.float32)))


def test_a_language_model_with_eyes_is_the_same_within(offered: Offer, tmp_path: Path) -> None:
    cfg, intact = with_eyes(tmp_path / OURS, offered.part, offered.model.config.to_dict())
    intact.model.language_model.load_state_dict(offered.model.model.state_dict())
    intact.tie_weights()
    run(cfg, tmp_path / "manifest.json")
    adapter = load(cfg.model, tmp_path / "manifest.json", "cpu", 1)
    seen, read = encode(adapter, [record("a", "what?", image=1)]).inputs, encode(adapter, [record("b", "no")]).inputs
    with torch.inference_mode():
        assert torch.equal(adapter.model(**seen).logits, intact.eval()(**seen).logits)
        assert torch.equal(adapter.model(**read).logits, offered.model(**read).logits)
    assert set(adapter.sites) == {"lm_gate", "vision_tower", "projector"}


Spoil = Callable[[Path, dict[str, Any]], None]


def edit_tensors(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Weights of ours that do not fit."""

    def run(folder: Path, _: dict[str, Any]) -> None:
        tensors = load_file(folder / "eyes.safetensors")
        change(tensors)
        save_file(tensors, folder / "eyes.safetensors")

    return run


def edit_text(**changed: Any) -> Spoil:
    """A config of ours that says something else of the language model."""

    def run(folder: Path, _: dict[str, Any]) -> None:
        facts = json.loads((folder / "config.json").read_text())
        facts["text_config"] |= changed
        (folder / "config.json").write_text(json.dumps(facts))

    return run


LAST = "model.multi_modal_projector.linear_2.bias"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (edit_tensors(lambda held: held.pop(LAST)), f"1 tensors of the model lack: {LAST}"),
        (edit_tensors(lambda held: held.update(more=held[LAST] + 0)), "1 tensors are none of the model's: more"),
        (edit_tensors(lambda held: held.update({LAST: held[LAST][:3] + 0})), f"have another shape: {LAST}"),
        (
            edit_tensors(lambda held: held.update({"lm_head.weight": torch.zeros(263, 32)})),
            "1 tensors are in the folder and in a part: lm_head.weight",
        ),
        (lambda _, parts: parts.update({"model.tongue": parts.pop("model.language_model")}), "are none of the model's"),
        (edit_text(rms_norm_eps=1e-5), "rms_norm_eps is 1e-05, and 9.99"),
        (edit_text(rope_parameters={"rope_type": "default", "rope_theta": 5.0}), "rope_parameters is"),
    ],
    ids=["lacks", "surplus", "shape", "twice", "path", "eps", "rope"],
)
def test_parts_that_make_no_model_are_refused(offered: Offer, tmp_path: Path, spoil: Spoil, says: str) -> None:
    cfg, _ = with_eyes(tmp_path / OURS, offered.part, offered.model.config.to_dict())
    parts: dict[str, Any] = {"model.language_model": offered.part}
    spoil(tmp_path / OURS, parts)
    cfg.model.parts = parts
    with pytest.raises(UserError) as caught:
        assemble(cfg.model)
    assert says in str(caught.value)
    assert not [path for path in (tmp_path / "cache" / "lode" / "models").iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"drop": "model.layers.1.mlp.up_proj.weight"}, "lacks 1 tensors of a LlamaForCausalLM, which would be random"),
        ({"split": "another"}, "unknown first split of texts (tokenizer.ggml.pre of tiny.gguf) 'another'"),
    ],
    ids=["lacks", "split"],
)
def test_a_file_that_is_not_whole_or_not_known_is_refused(
    offered: Offer, tmp_path: Path, how: dict[str, str], says: str
) -> None:
    cfg = text_alone(tmp_path / OURS, offer(tmp_path / "offered", offered.model, **how))
    with pytest.raises(UserError) as caught:
        assemble(cfg.model)
    assert says in str(caught.value)


def test_a_file_that_is_no_gguf_is_refused(offered: Offer, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "offered", {FILE: b"no weights"})
    cfg = text_alone(tmp_path / OURS, {**offered.part, "sha256": wheel.sha256})
    with pytest.raises(UserError, match=r"transformers .* cannot read tiny\.gguf"):
        assemble(cfg.model)
