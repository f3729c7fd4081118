"""A training step of every embedded class, against whole prompts one by one: the losses, and what they teach."""

from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from lode.model.encoding import sampling_of
from lode.stages.train_model import build, corpus_of, draw
from lode.study import compose
from lode.training.loop import Encoded, collate, encode, train_step
from lode.training.optimizers import Optimizers

NAMES = ("tiny_instructblip", "tiny_llava_next", "tiny_qwen2_audio", "tiny_qwen2_vl")


class KeptGradients(Optimizers):
    """Stands in for the optimisers: takes what a step has learned, and changes nothing."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def step(self, rate: float) -> None:
        self.found = gradients(self.model)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def plain_loss(model: Any, example: Encoded, pad_token_id: int) -> torch.Tensor:
    """Mean over the answer of what each of its tokens was said to be unlikely by, from the logits of all places."""
    inputs = collate([example], pad_token_id)
    (labels,) = inputs.pop("labels")
    told = model(**inputs).logits[0].log_softmax(-1)
    places = [place for place in range(1, len(labels)) if labels[place] != -100]
    return -torch.stack([told[place - 1, labels[place]] for place in places]).mean()


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_that_of_whole_prompts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = OmegaConf.merge(compose([f"training={name}"]).training, {"micro_batches": 3})
    drawn = {task: draw(task, options, "train", 2, 2024) for task, options in recipe.datasets.items()}
    torch.manual_seed(0)
    model, processor = build(recipe, list(corpus_of(drawn)))
    sampling, pad = sampling_of(processor, recipe.video_rate, recipe.max_frames), processor.tokenizer.pad_token_id
    examples = [encode(processor, sample, sampling) for pool in drawn.values() for sample in pool]
    examples.sort(key=lambda example: example["input_ids"].shape[1])
    assert len({example["input_ids"].shape[1] for example in examples}) > 2, "some are padded"
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: None)

    kept = KeptGradients(model)
    losses = train_step(model, kept, examples, recipe, 0.0, pad)
    model.zero_grad()
    plain = [plain_loss(model, example, pad) for example in examples]
    (torch.stack(plain).sum() / len(plain)).backward()
    torch.testing.assert_close(losses, torch.stack(plain).detach(), rtol=1e-4, atol=1e-5)
    expected = gradients(model)
    assert kept.found.keys() == expected.keys()
    size = sum(float(gradient.square().sum()) for gradient in expected.values()) ** 0.5
    apart = sum(float((kept.found[n] - gradient).square().sum()) for n, gradient in expected.items()) ** 0.5
    assert apart < 1e-4 * size
