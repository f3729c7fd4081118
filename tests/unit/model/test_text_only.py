"""A model that takes text alone: its folder needs no processor, and its prompts are those that it learned."""

from pathlib import Path
from typing import Any

import pytest
import torch
from jinja2.sandbox import ImmutableSandboxedEnvironment
from omegaconf import OmegaConf
from transformers.utils import logging

from lode.checks.model import check_model
from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.model.adapter import Adapter
from lode.model.answering import judge_gold, prepare_batch
from lode.model.encoding import chat, encode
from lode.model.loading import load
from lode.model.text_only import TextProcessor
from lode.study import compose
from tests.families.parts import chatml, tokenizer
from tests.gguf_files import SPECIAL, language_model
from tests.tiny_model import record, write_manifest

#: As SmolLM2-135M-Instruct's own file has it, for contents that are texts, but for the system turn that it adds.
LEARNED = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SYSTEM = {"role": "system", "content": " Be short.\n"}
USER = {"role": "user", "content": "  What is it?\n\nAnd why? "}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Llama with a tokenizer and no processor."""
    logging.disable_progress_bar()
    folder = tmp_path / "text alone"
    words = tokenizer(SPECIAL, pad="<|im_end|>", end="<|im_end|>", begin="")
    words.chat_template = chatml(image="<image>")
    model = language_model()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def config_of(folder: Path, **own: Any) -> Any:
    facts: Any = OmegaConf.to_container(compose(["model=smollm2"]).model, resolve=True)
    return OmegaConf.create({"model": {**facts, "source": str(folder), "parts": None, **own}})


@pytest.fixture
def adapter(folder: Path) -> Adapter:
    cfg = config_of(folder)
    check_model(cfg)
    return load(cfg.model, write_manifest(folder, folder.parent / "manifest.json"), "cpu", 1)


@pytest.mark.parametrize("turns", [[USER], [SYSTEM, USER], [USER, {**USER, "role": "assistant"}, USER]])
@pytest.mark.parametrize("asked", [True, False])
def test_the_markup_of_smollm2_is_what_it_learned(turns: list[dict[str, str]], asked: bool) -> None:
    """Rendered as transformers renders, contents as texts and in parts."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    ours = environment.from_string((ROOT / "resources/models/smollm2/chat_template.jinja").read_text())
    learned = environment.from_string(LEARNED).render(messages=turns, add_generation_prompt=asked)
    parted = [{**turn, "content": [{"type": "text", "text": turn["content"]}]} for turn in turns]
    assert ours.render(messages=turns, add_generation_prompt=asked) == learned
    assert ours.render(messages=parted, add_generation_prompt=asked) == learned


def test_a_model_of_text_alone_runs(adapter: Adapter) -> None:
    """As transformers runs it, on left-padded prompts, and its gold pass."""
    assert isinstance(adapter.processor, TextProcessor)
    assert (adapter.num_layers, adapter.num_neurons) == (2, 64)
    samples = [{**record("a", "one and one is", answer="two"), "meta": "{}"}, {**record("b", "no"), "meta": "{}"}]
    batch = encode(adapter, samples)
    words = adapter.processor.tokenizer
    texts = [chat(adapter.processor, sample) for sample in samples]
    plain = words(texts, return_tensors="pt", padding=True, padding_side="left")
    assert torch.equal(batch.inputs["input_ids"], plain["input_ids"])
    assert torch.equal(batch.inputs["attention_mask"], plain["attention_mask"])
    judged = judge_gold(adapter, prepare_batch(adapter, samples, 4))
    with torch.inference_mode():
        ids = words(texts[0] + "two", return_tensors="pt")["input_ids"]
        logits = language_model()(ids).logits.log_softmax(-1)[0]
    expected = sum(float(logits[place - 1, ids[0, place]]) for place in range(ids.shape[1] - 3, ids.shape[1]))
    assert judged.content[0] == pytest.approx(expected, abs=1e-5)


def test_it_is_saved_and_opened_again(adapter: Adapter, folder: Path) -> None:
    other = folder.parent / "again"
    adapter.model.save_pretrained(other)
    adapter.processor.save_pretrained(other)
    manifest = write_manifest(other, folder.parent / "again.json")
    again = load(config_of(other).model, manifest, "cpu", 1)
    sample = record("a", "what?")
    assert chat(again.processor, sample) == chat(adapter.processor, sample)


def test_a_picture_is_refused(adapter: Adapter) -> None:
    with pytest.raises(UserError, match="holds image, but model smollm2 takes text only"):
        encode(adapter, [record("a", "what?", image=1)])


def test_a_model_that_takes_media_needs_a_processor(folder: Path) -> None:
    with pytest.raises(UserError, match="no processor; expected one of processor_config"):
        check_model(config_of(folder, media_tokens={"image": "<image>"}))


def test_a_tokenizer_is_no_processor_of_media(folder: Path) -> None:
    cfg = config_of(folder, media_tokens={"image": "<image>"})
    with pytest.raises(UserError, match=r"gives a \w+ in place of a processor with a tokenizer; expected one"):
        load(cfg.model, write_manifest(folder, folder.parent / "manifest.json"), "cpu", 1)
