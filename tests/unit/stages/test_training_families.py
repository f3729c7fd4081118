"""The builders of LLaVA-NeXT and InstructBLIP: real classes, what a Q-Former reads, and layers that nothing reads."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from transformers import AutoModelForImageTextToText, AutoProcessor

from lode.dataset import Sample, toy_scene, toy_word
from lode.media import Sampling
from lode.stages.train_model import build, train
from lode.study import compose
from lode.training.loop import Encoded, collate, encode

#: Class, kind of the image encoder, kind of the language model.
FAMILIES = {
    "tiny_instructblip": ("InstructBlipForConditionalGeneration", "instructblip_vision_model", "llama"),
    "tiny_llava_next": ("LlavaNextForConditionalGeneration", "clip_vision_model", "llama"),
}
each_family = pytest.mark.parametrize("name", sorted(FAMILIES))
SAMPLES = list(toy_scene.samples("train", 6, 2024))
CORPUS = [text for sample in SAMPLES for text in (sample.prompt, *sample.answers)] * 20


@cache
def built(name: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    return build(compose([f"training={name}"]).training, CORPUS)


def examples(name: str, samples: list[Sample]) -> list[Encoded]:
    return [encode(built(name)[1], sample, Sampling()) for sample in samples]


@each_family
def test_the_classes_are_the_real_ones(name: str) -> None:
    model, _ = built(name)
    kinds = (type(model).__name__, model.config.vision_config.model_type, model.config.text_config.model_type)
    assert kinds == FAMILIES[name]
    assert sum(parameter.numel() for parameter in model.parameters()) * 4 < 10e6, "bytes of the weights"


@each_family
def test_an_example_is_the_prompt_and_then_the_answer(name: str) -> None:
    """By the tokens: the prompt alone as a user's would be, the answer after it, and an end."""
    _, processor = built(name)
    sample, (example,) = SAMPLES[0], examples(name, SAMPLES[:1])
    text = processor.tokenizer.decode(example["input_ids"][0])
    before, _, after = text.rpartition(":")
    assert sample.prompt in before
    assert after == f"{sample.answers[0]}</s>"
    assert text.count("<s>") == 1
    answer = example["labels"][example["labels"] != -100]
    assert processor.tokenizer.decode(answer) == f"{sample.answers[0]}</s>"


@pytest.mark.parametrize(("name", "num_tokens"), [("tiny_instructblip", 8), ("tiny_llava_next", 24)])
def test_a_picture_has_as_many_tokens_as_by_hand(name: str, num_tokens: int) -> None:
    """Eight queries; or 2 x 2 patches of the whole, and 4 x 4 of the tiles with the end of each of 4 rows."""
    _, processor = built(name)
    (example,) = examples(name, SAMPLES[:1])
    image = processor.tokenizer.convert_tokens_to_ids("<image>")
    assert int((example["input_ids"] == image).sum()) == num_tokens


@each_family
def test_a_batch_is_its_samples_one_by_one(name: str) -> None:
    """Logits of the answer, whatever is padded: prompts, and what the Q-Former reads of them."""
    model, processor = built(name)
    held = sorted(examples(name, SAMPLES), key=lambda example: example["input_ids"].shape[1])
    pair = [held[0], held[-1]]
    assert pair[0]["input_ids"].shape != pair[1]["input_ids"].shape
    with torch.inference_mode():
        inputs = collate(pair, processor.tokenizer.pad_token_id)
        inputs.pop("labels")
        together = model.eval()(**inputs).logits[:, -2:]
        for row, example in enumerate(pair):
            inputs = collate([example], processor.tokenizer.pad_token_id)
            inputs.pop("labels")
            torch.testing.assert_close(model(**inputs).logits[0, -2:], together[row], rtol=1e-4, atol=1e-4)


def test_text_alone_is_an_example_of_llava_next() -> None:
    (sample,) = toy_word.samples("train", 1, 2024, form="text")
    model, processor = built("tiny_llava_next")
    inputs = collate(examples("tiny_llava_next", [sample]), processor.tokenizer.pad_token_id)
    inputs.pop("labels")
    assert set(inputs) == {"input_ids", "attention_mask"}
    assert model(**inputs).logits.isfinite().all()


def test_a_q_former_does_not_read_the_answer() -> None:
    """Else it would hand on what is to be learned. Its tokens begin and end by its own marks, padded at their end."""
    _, processor = built("tiny_instructblip")
    held = examples("tiny_instructblip", SAMPLES)
    for sample, example in zip(SAMPLES, held, strict=True):
        asked = processor.qformer_tokenizer.decode(example["qformer_input_ids"][0])
        assert asked == f"[CLS]Question: {sample.prompt} Short answer:[SEP]"
    batch = collate(held, processor.tokenizer.pad_token_id)
    lengths = [example["qformer_input_ids"].shape[1] for example in held]
    assert len(set(lengths)) > 1
    assert batch["qformer_attention_mask"].sum(1).tolist() == lengths
    for row, length in enumerate(lengths):
        assert batch["qformer_attention_mask"][row, :length].all()
        assert (batch["qformer_input_ids"][row, length:] == processor.qformer_tokenizer.pad_token_id).all()


def test_queries_are_not_alike() -> None:
    queries = built("tiny_instructblip")[0].query_tokens[0]
    assert torch.pdist(queries).min() > 0.1


@pytest.mark.parametrize(
    ("name", "dead", "alive"),
    [
        ("tiny_llava_next", "model.vision_tower.encoder.layers.3.", "model.vision_tower.encoder.layers.2."),
        ("tiny_instructblip", "qformer.encoder.layer.2.output.", "qformer.encoder.layer.1.output."),
    ],
)
def test_nothing_reads_the_last_layer(name: str, dead: str, alive: str) -> None:
    """It gets no gradient, and the layer before it does."""
    model, processor = built(name)
    inputs = collate(examples(name, SAMPLES[:2]), processor.tokenizer.pad_token_id)
    inputs.pop("labels")
    model.zero_grad(set_to_none=True)
    model(**inputs).logits[:, -1].sum().backward()
    moved = {n: p.grad is not None and bool(p.grad.any()) for n, p in model.named_parameters()}
    assert not any(moves for n, moves in moved.items() if n.startswith(dead))
    assert any(moves for n, moves in moved.items() if n.startswith(alive))
    model.zero_grad(set_to_none=True)


@each_family
def test_a_trained_folder_loads_as_any_other(name: str, tmp_path: Path) -> None:
    recipe = OmegaConf.create(OmegaConf.to_container(compose([f"training={name}"]).training))
    few = {"steps": 2, "log_every": 1, "evaluate_every": 2, "num_held_out": 2}
    names = ("toy_scene", "toy_form_own")
    datasets = {n: {**recipe.datasets[n], "num_samples": 4, "share": 0.5} for n in names}
    train(DictConfig({**recipe, **few, "datasets": datasets, "batch_size": 4}), 7, 9, tmp_path)
    assert type(AutoModelForImageTextToText.from_pretrained(tmp_path)).__name__ == FAMILIES[name][0]
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert processor.tokenizer.padding_side == "left"
    template = (tmp_path / "chat_template.jinja").read_text()
    assert template == built(name)[1].chat_template
    processor.chat_template = template  # a class that does not read that file is told by the model's YAML
    again, before = encode(processor, SAMPLES[0], Sampling()), encode(built(name)[1], SAMPLES[0], Sampling())
    assert again.keys() == before.keys()
