"""Model folders that broke on their way: each ends in one message, as early as it can be known, and what does no harm
passes."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lode.checks.model import check_model
from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.model import opening
from lode.model.adapter import Adapter
from lode.model.answering import generate, prepare_batch
from lode.model.encoding import encode
from lode.model.loading import load
from lode.model.manifest import describe, recorded_folder
from lode.model.opening import open_model
from lode.study import compose
from tests.tiny_model import record, write_manifest

SHIPPED = ROOT / "resources" / "models" / "tiny_qwen2_vl"
Tensors = dict[str, torch.Tensor]
Break = Callable[[Path], None]


def copy(folder: Path) -> Path:
    """The shipped model, its files linked."""
    folder.mkdir()
    for file in SHIPPED.iterdir():
        (folder / file.name).symlink_to(file)
    return folder


def put(path: Path, content: str) -> None:
    """A file of its own in place of the link."""
    path.unlink(missing_ok=True)
    path.write_text(content)


def drop(*names: str) -> Break:
    """Files that lack."""
    return lambda folder: [(folder / name).unlink() for name in names] and None


def edit(name: str, change: Callable[[dict[str, Any]], Any]) -> Break:
    """A JSON file that says something else."""

    def run(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        change(content)
        put(folder / name, json.dumps(content))

    return run


def weights(change: Callable[[Tensors], Any]) -> Break:
    """Weights with other tensors."""

    def run(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        (folder / "model.safetensors").unlink()
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    return run


def both(*breaks: Break) -> Break:
    """Several faults."""
    return lambda folder: [one(folder) for one in breaks] and None


def shards(folder: Path, with_index: bool, with_second: bool) -> None:
    """The weights in two files."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    where = {name: files[number % 2] for number, name in enumerate(tensors)}
    for file in files[: 1 + with_second]:
        part = {name: tensor for name, tensor in tensors.items() if where[name] == file}
        save_file(part, folder / file, metadata={"format": "pt"})
    if with_index:
        put(folder / "model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": where}))


def adapter_only(folder: Path) -> None:
    """What PEFT saves."""
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    put(folder / "adapter_config.json", json.dumps({"peft_type": "LORA"}))


def cut_layer(tensors: Tensors) -> None:
    for name in [name for name in tensors if ".layers.5." in name]:
        del tensors[name]


def narrow(tensors: Tensors) -> None:
    name = "model.layers.2.mlp.up_proj.weight"
    tensors[name] = tensors[name][:-1].clone()


def spoil(tensors: Tensors) -> None:
    tensors["model.layers.3.mlp.down_proj.weight"][7, 9] = torch.nan


def endless(config: dict[str, Any]) -> None:
    del config["text_config"]["eos_token_id"]


def quantised(method: str) -> Break:
    return edit("config.json", lambda config: config.update(quantization_config={"quant_method": method}))


PLAN, LOAD = "plan", "load"
#: What is broken: how, when it is refused, and what the message says.
ROWS: dict[str, tuple[Break, str, tuple[str, ...]]] = {
    "no processor": (
        drop("processor_config.json"),
        PLAN,
        ("no processor", "processor_config.json, preprocessor_config.json", "AutoProcessor.from_pretrained"),
    ),
    "no image processor": (
        edit("processor_config.json", lambda config: config.pop("image_processor")),
        LOAD,
        ("tiny_qwen2_vl", "cannot load its processor", "image processor", "AutoProcessor.from_pretrained"),
    ),
    "no tokenizer": (drop("tokenizer.json"), PLAN, ("no tokenizer", "tokenizer.json", "AutoProcessor.from_pretrained")),
    "no pad token": (
        edit("tokenizer_config.json", lambda config: config.pop("pad_token")),
        LOAD,
        ("tiny_qwen2_vl", "no pad token", "tokenizer_config.json", "'<|im_end|>'"),
    ),
    "no end token": (
        both(drop("generation_config.json"), edit("config.json", endless)),
        LOAD,
        ("tiny_qwen2_vl", "no token ends a reply", "generation_config.json", "'<|im_end|>', id 2"),
    ),
    "no chat template": (
        drop("chat_template.jinja"),
        PLAN,
        ("no chat template", "chat_template.jinja", "`chat_template` (Jinja) in the model's YAML"),
    ),
    "a shard lacks": (
        lambda folder: shards(folder, with_index=True, with_second=False),
        PLAN,
        ("model.safetensors.index.json names model-00002-of-00002.safetensors", "1 of 2 shards", "Fetch"),
    ),
    "the index lacks": (
        lambda folder: shards(folder, with_index=False, with_second=True),
        PLAN,
        ("neither model.safetensors nor model.safetensors.index.json", "model-00001-of-00002.safetensors", "index"),
    ),
    "an index of nothing": (
        both(
            lambda folder: shards(folder, with_index=True, with_second=True),
            edit("model.safetensors.index.json", lambda index: index.pop("weight_map")),
        ),
        PLAN,
        ("model.safetensors.index.json holds no weight_map", "Fetch it again"),
    ),
    "an adapter": (adapter_only, PLAN, ("adapter_config.json, adapter_model.safetensors", "PEFT", "merge_and_unload")),
    "an adapter beside the model": (
        lambda folder: put(folder / "adapter_config.json", "{}"),
        PLAN,
        ("adapter_config.json", "PEFT", "one whole model"),
    ),
    "bitsandbytes": (quantised("bitsandbytes"), PLAN, ("quantization_config", "bitsandbytes", "bfloat16")),
    "AWQ": (quantised("awq"), PLAN, ("quantization_config", "awq", "dequantize()")),
    "a quantised part": (
        edit("config.json", lambda config: config["text_config"].update(quantization_config={"quant_method": "fp8"})),
        PLAN,
        ("quantization_config", "fp8"),
    ),
    "no JSON": (lambda folder: put(folder / "config.json", "{"), PLAN, ("config.json: no JSON", "Fetch it again")),
    "a list": (lambda folder: put(folder / "config.json", "[]"), PLAN, ("config.json: holds list", "JSON object")),
    "a layer lacks": (
        weights(cut_layer),
        LOAD,
        ("tiny_qwen2_vl", "lack 12 tensors", "would be random", "layers.5.input_layernorm.weight", "and 4 more"),
    ),
    "another shape": (
        weights(narrow),
        LOAD,
        ("1 tensors of another shape", "layers.2.mlp.up_proj.weight is (511, 128), expected (512, 128)"),
    ),
    "NaN": (weights(spoil), LOAD, ("1 tensors", "NaN or infinity in float32", "layers.3.mlp.down_proj.weight")),
    "another class": (
        edit("config.json", lambda config: config.update(model_type="no_such_model")),
        LOAD,
        ("tiny_qwen2_vl", "transformers", "cannot load its", "no_such_model"),
    ),
}  # fmt: skip


def model_of(folder: Path) -> Any:
    """The config of the shipped model, from another folder."""
    return compose([f"model.source={folder}"])


def opened(folder: Path) -> Adapter:
    """As a job opens what `download_model` has recorded."""
    return open_model(model_of(folder).model, write_manifest(folder, folder.parent / "manifest.json"), "cpu", 1)


@pytest.mark.parametrize("name", ROWS)
def test_a_broken_folder_ends_in_one_message(tmp_path: Path, name: str) -> None:
    spoilt, when, says = ROWS[name]
    folder = copy(tmp_path / "model")
    spoilt(folder)
    if when == PLAN:
        with pytest.raises(UserError) as error:
            check_model(model_of(folder))
    else:
        check_model(model_of(folder))
        with pytest.raises(UserError) as error:
            opened(folder)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    for part in says:
        assert part in message


def test_what_does_no_harm_passes(tmp_path: Path) -> None:
    """Surplus tensors, shards, tied weights that are there once, and a generation config of its own: the same model."""
    folder = copy(tmp_path / "model")
    shards(folder, with_index=True, with_second=True)
    extra = folder / "model-00002-of-00002.safetensors"
    save_file({**load_file(extra), "v_head.summary.weight": torch.ones(1, 2)}, extra, metadata={"format": "pt"})
    edit("generation_config.json", lambda config: config.update(do_sample=True, repetition_penalty=5.0))(folder)
    check_model(model_of(folder))
    here, there = (opened(path).model.state_dict() for path in (folder, copy(tmp_path / "shipped")))
    assert here.keys() == there.keys()
    assert all(torch.equal(value, there[name]) for name, value in here.items())


def test_names_of_many_tensors() -> None:
    assert opening.named(["b", "a"]) == "a, b"
    assert opening.named([f"t{number}" for number in range(10)]) == "t0, t1, t2, t3, t4, t5, t6, t7 and 2 more"


def test_what_the_library_cannot_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LLaVA around OPT: transformers itself raises an AttributeError, in the midst of a message of many lines."""

    def fail(*_: Any, **__: Any) -> None:
        raise AttributeError("OPTModel has no attribute `embed_tokens`\nand more")

    monkeypatch.setattr("transformers.AutoModelForImageTextToText.from_pretrained", fail)
    with pytest.raises(UserError, match=r"cannot load its AutoModel.*: OPTModel has no attribute `embed_tokens`\. Exp"):
        opened(copy(tmp_path / "model"))


# --- a tokenizer that kept the truncation of its training -------------------------------------------------------------

KEPT: dict[str, Break] = {
    "tokenizer.json": edit(
        "tokenizer.json",
        lambda content: content.update(
            truncation={"direction": "Right", "max_length": 24, "strategy": "LongestFirst", "stride": 0}
        ),
    ),
    "tokenizer_config.json": edit(
        "tokenizer_config.json",
        lambda content: content.update(max_length=24, truncation=True, truncation_strategy="longest_first", stride=0),
    ),
    "padding": edit(
        "tokenizer.json",
        lambda content: content.update(
            padding={
                "strategy": {"Fixed": 64},
                "direction": "Left",
                "pad_to_multiple_of": None,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "<|endoftext|>",
            }
        ),
    ),
}
LONG = [
    record("text", "which word is the last of this question, which has far more than 24 tokens?", answer="a " * 30),
    record("image", "which word does the sign show, and in which corner of the picture is it?", image=1),
]


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    return opened(copy(tmp_path_factory.mktemp("shipped") / "model"))


@pytest.mark.parametrize("where", KEPT)
def test_no_prompt_is_cut(tmp_path: Path, shipped: Adapter, where: str) -> None:
    """Tokens of prompts and answers, and replies, are those of the clean folder."""
    folder = copy(tmp_path / "model")
    KEPT[where](folder)
    kept = opened(folder)
    ours, theirs = (prepare_batch(adapter, LONG) for adapter in (kept, shipped))
    assert torch.equal(ours.prompts.inputs["input_ids"], theirs.prompts.inputs["input_ids"])
    assert (ours.prompts.inputs["attention_mask"].sum(1) > 24).all()
    assert ours.gold_ids == theirs.gold_ids
    with torch.inference_mode():
        assert generate(kept, ours.prompts, 4) == generate(shipped, theirs.prompts, 4)


def test_a_prompt_beyond_the_context_is_refused_not_cut(tmp_path: Path) -> None:
    """Counted before any cut: a kept truncation to the model's context does not hide what is longer."""
    folder = copy(tmp_path / "model")
    KEPT["tokenizer.json"](folder)
    kept = opened(folder)
    with pytest.raises(UserError, match=r"sample long: \d+ tokens with its answer, and .* takes 4096"):
        encode(kept, [record("long", "what? " * 4000)])


@pytest.mark.parametrize("option", ["truncation=true", "max_length=64", "padding=max_length"])
def test_the_yaml_cuts_no_prompt(option: str) -> None:
    name = option.partition("=")[0]
    with pytest.raises(UserError, match=f"model.processor.text_kwargs.{name} = .*never cut"):
        check_model(compose([f"+model.processor.text_kwargs.{option}"]))


# --- what a job loads is what was recorded ----------------------------------------------------------------------------


def swap(folder: Path) -> None:
    """Other weights of equal size under the time stamp of the old ones, as `cp -p` leaves them."""
    file = folder / "model.safetensors"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def nest(folder: Path) -> None:
    (folder / "qformer_tokenizer").mkdir()
    put(folder / "qformer_tokenizer" / "tokenizer.json", "{}")


CHANGES: dict[str, tuple[Break, str]] = {
    "swapped": (swap, "model.safetensors has another content"),
    "gone": (drop("generation_config.json"), "generation_config.json is gone"),
    "new": (lambda folder: put(folder / "added_tokens.json", "{}"), "added_tokens.json is new"),
    "new below": (nest, "qformer_tokenizer/tokenizer.json is new"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_job_refuses_another_model_than_the_recorded(tmp_path: Path, name: str) -> None:
    change, says = CHANGES[name]
    folder = copy(tmp_path / "model")
    manifest = write_manifest(folder, tmp_path / "manifest.json")
    assert recorded_folder(manifest, 1) == folder
    change(folder)
    with pytest.raises(UserError) as error:
        load(model_of(folder).model, manifest, "cpu", 1)
    for part in (str(folder), str(manifest), says, "snakemake --forcerun download_model"):
        assert part in str(error.value)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    folder = copy(tmp_path / "model")
    manifest = write_manifest(folder, tmp_path / "manifest.json")
    folder.rename(tmp_path / "moved")
    with pytest.raises(UserError, match="model: no such folder"):
        recorded_folder(manifest, 1)


def test_what_is_not_loaded_may_change(tmp_path: Path) -> None:
    """The model card, a log, weights of a checkpoint below, and a second manifest that equals the first."""
    folder = copy(tmp_path / "model")
    manifest = write_manifest(folder, tmp_path / "manifest.json")
    put(folder / "README.md", "another card")
    put(folder / "training_log.jsonl", "")
    (folder / "checkpoint-5").mkdir()
    put(folder / "checkpoint-5" / "model.safetensors", "")
    assert recorded_folder(manifest, 2) == folder


def test_a_snapshot_is_described_by_what_the_hub_states(tmp_path: Path) -> None:
    """A link to a blob named by its SHA-256 is not read on download, but on loading."""
    stated, folder = "ab" * 32, tmp_path / "snapshot"
    folder.mkdir()
    put(tmp_path / stated, "weights")
    (folder / "model.safetensors").symlink_to(tmp_path / stated)
    put(folder / "config.json", "{}")
    (config, large) = describe(folder, stated=True)
    assert large == {"name": "model.safetensors", "size": 7, "sha256": stated}
    assert config == describe(folder)[0]
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"folder": str(folder), "files": [config, large]}))
    with pytest.raises(UserError, match=r"model\.safetensors has another content"):
        recorded_folder(manifest, 1)
