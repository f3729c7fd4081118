"""The training rule on a recipe of three steps: equal seeds give equal bytes, and the folder is an ordinary one."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from transformers import AutoModelForImageTextToText, AutoProcessor

from lode.media import Sampling
from lode.stages.train_model import draw, train
from lode.study import compose
from lode.training.loop import batches, collate, encode, learning_rate, shares


@pytest.fixture(scope="module")
def recipe() -> DictConfig:
    changes = {
        "steps": 3,
        "batch_size": 8,
        "log_every": 1,
        "evaluate_every": 2,
        "num_held_out": 4,
        "text": {"num_hidden_layers": 1},
        "vision": {"depth": 1},
        "datasets": {name: {"num_samples": 8, "share": 0.25} for name in compose().training.datasets},
    }
    return OmegaConf.merge(OmegaConf.create(OmegaConf.to_container(compose().training)), changes)


@pytest.fixture(scope="module")
def folder(recipe: DictConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained")
    train(recipe, 7, 9, path)
    return path


def test_equal_seeds_give_equal_weights(recipe: DictConfig, folder: Path, tmp_path: Path) -> None:
    train(recipe, 7, 9, tmp_path / "again")
    train(recipe, 8, 9, tmp_path / "other")
    weights = (folder / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == weights
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != weights


def test_log_and_card_state_what_happened(folder: Path) -> None:
    log = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    assert [entry["event"] for entry in log] == ["start", "step", "step", "evaluate", "step", "end"]
    card = (folder / "README.md").read_text()
    for name, score in log[-1]["score"].items():
        assert re.search(rf"\| `{name}` \| `\w+` \| {score:.3f} \|", card)
    assert f"{log[0]['num_parameters']:,} parameters" in card
    assert "| seed | 7 |" in card
    assert "`split_seed` 9" in card


def test_the_folder_loads_as_any_other(folder: Path) -> None:
    model = AutoModelForImageTextToText.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    assert type(model).__name__ == "Qwen2VLForConditionalGeneration"
    assert processor.tokenizer.padding_side == "left"
    assert processor.tokenizer.convert_ids_to_tokens(model.config.image_token_id) == "<|image_pad|>"


def test_loss_is_on_the_answer_only(folder: Path) -> None:
    processor = AutoProcessor.from_pretrained(folder)
    sample = draw("toy_mmlu", DictConfig({}), "train", 1, 3)[0]
    example = encode(processor, sample, Sampling())
    answer = example["labels"][example["labels"] != -100]
    assert processor.tokenizer.decode(answer) == f"{sample.answers[0]}<|im_end|>"
    assert torch.equal(example["input_ids"][0, -len(answer) :], answer)


def test_collate_pads_on_the_left(folder: Path) -> None:
    processor = AutoProcessor.from_pretrained(folder)
    short, long = sorted(
        (
            encode(processor, draw(name, DictConfig({}), "train", 1, 3)[0], Sampling())
            for name in ("toy_textvqa", "toy_mmlu")
        ),
        key=lambda example: example["input_ids"].shape[1],
    )
    batch = collate([short, long], processor.tokenizer.pad_token_id)
    missing = long["input_ids"].shape[1] - short["input_ids"].shape[1]
    assert batch["attention_mask"].sum(1).tolist() == [short["input_ids"].shape[1], long["input_ids"].shape[1]]
    assert (batch["input_ids"][0, :missing] == processor.tokenizer.pad_token_id).all()
    assert (batch["labels"][0, :missing] == -100).all()
    assert len(batch["image_grid_thw"]) == 1


def test_batches_hold_each_dataset_by_its_share(recipe: DictConfig) -> None:
    pools = {name: [{"input_ids": torch.zeros(1, 3)}] * 5 for name in recipe.datasets}
    batch = next(batches(pools, recipe, 0))
    assert sorted(name for name, _ in batch) == sorted([*recipe.datasets] * 2)


def test_learning_rate_warms_up_and_decays() -> None:
    recipe = OmegaConf.create({"warmup_steps": 10, "steps": 110, "learning_rate": 1.0, "final_learning_rate": 0.0})
    assert learning_rate(0, recipe) == pytest.approx(0.1)
    assert learning_rate(9, recipe) == pytest.approx(1.0)
    assert learning_rate(60, recipe) == pytest.approx(0.5)
    assert learning_rate(110, recipe) == pytest.approx(0.0)


def test_some_datasets_come_first_alone_in_their_proportions() -> None:
    recipe = OmegaConf.create(
        {
            "batch_size": 10,
            "first": {"steps": 2, "datasets": ["b", "c"]},
            "datasets": {"a": {"share": 0.5}, "b": {"share": 0.3}, "c": {"share": 0.2}},
        }
    )
    assert [shares(recipe, step) for step in (0, 1)] == [{"b": 0.6, "c": 0.4}] * 2
    assert shares(recipe, 2) == {"a": 0.5, "b": 0.3, "c": 0.2}
    pools = {name: [{"input_ids": torch.zeros(1, 3)}] * 4 for name in "abc"}
    seen = [Counter(name for name, _ in batch) for _, batch in zip(range(3), batches(pools, recipe, 1), strict=False)]
    assert seen == [{"b": 6, "c": 4}, {"b": 6, "c": 4}, {"a": 5, "b": 3, "c": 2}]


def test_without_a_first_phase_shares_are_those_of_the_recipe(recipe: DictConfig) -> None:
    assert shares(recipe, 0) == dict.fromkeys(recipe.datasets, 0.25)
