"""A loaded model and the places in it that Lode reads or changes: a table of facts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from lode.config import ROOT
from lode.errors import UserError


@dataclass(frozen=True)
class Adapter:
    """A model, its processor, and its parts by layer.

    Attributes:
        layers: language-model layers, nearest the input first; one entry per layer in the next three too.
        attention: modules that call the attention function.
        activation: modules whose output is the gate site (batch, token, neuron).
        down_proj: linear maps whose column n is what neuron n writes.
        towers: encoder modules by medium.
    """

    config: Any
    model: Any
    processor: Any
    attention: tuple[nn.Module, ...]
    activation: tuple[nn.Module, ...]
    down_proj: tuple[nn.Linear, ...]
    towers: dict[str, nn.Module]

    @property
    def num_layers(self) -> int:
        """Layers of the language model."""
        return len(self.down_proj)

    @property
    def num_neurons(self) -> int:
        """Neurons in each layer."""
        return self.down_proj[0].in_features

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return self.down_proj[0].weight.device


def module_at(root: nn.Module, path: str, what: str) -> nn.Module:
    """The submodule at a dotted path.

    Raises:
        UserError: there is none; names the config key and the children at the last place that exists.
    """
    module = root
    for done, name in enumerate(path.split(".")):
        children = dict(module.named_children())
        if name not in children:
            place = ".".join(path.split(".")[:done]) or type(root).__name__
            raise UserError(
                f"{what} = {path!r}: {place} has no module {name!r}; it has {', '.join(children) or 'none'}. "
                "Mend the path in the model's YAML."
            )
        module = children[name]
    return module


def choose_device(name: str) -> torch.device:
    """`auto` is a GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def open_model(config: Any, manifest: str | Path, device: str, threads: int) -> Adapter:
    """Load a model that `download_model` has recorded; `lode.model.loading.load` also proves its adapter.

    Args:
        config: the `model` section.
        manifest: the manifest written by `download_model`.
        device: `auto` or a torch device.
        threads: CPU threads; one number of threads gives one result.

    Raises:
        UserError: a path of the config names no module.
    """
    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    folder = ROOT / json.loads(Path(manifest).read_text())["folder"]
    options = {"trust_remote_code": config.trust_remote_code, "local_files_only": True}
    processor = transformers.AutoProcessor.from_pretrained(folder, **options, **config.processor)
    processor.tokenizer.padding_side = "left"
    auto_class = getattr(transformers, config.auto_class)
    model = auto_class.from_pretrained(
        folder,
        **options,
        dtype=getattr(torch, config.dtype),
        use_safetensors=True,
        attn_implementation=config.attn_implementation,
    )
    model.to(choose_device(device)).eval().requires_grad_(False)
    eos, pad = model.generation_config.eos_token_id, processor.tokenizer.pad_token_id
    model.generation_config = transformers.GenerationConfig(do_sample=False, eos_token_id=eos, pad_token_id=pad)
    return find_parts(config, model, processor)


def find_parts(config: Any, model: Any, processor: Any) -> Adapter:
    """Look up every part that the config names; fail loudly where one is absent."""
    layers = tuple(module_at(model, config.layers, "model.layers").children())

    def parts(path: str, what: str) -> tuple[nn.Module, ...]:
        return tuple(module_at(layer, path, what) for layer in layers)

    adapter = Adapter(
        config=config,
        model=model,
        processor=processor,
        attention=parts(config.attention, "model.attention"),
        activation=parts(config.activation, "model.activation"),
        down_proj=parts(config.down_proj, "model.down_proj"),  # type: ignore[arg-type]
        towers={m: module_at(model, path, f"model.towers.{m}") for m, path in config.towers.items()},
    )
    if len({id(module) for module in adapter.activation}) != len(layers):
        raise UserError(f"model.activation = {config.activation!r}: layers share one module, so hooks cannot tell them")
    return adapter


def token_id(adapter: Adapter, token: str) -> int:
    """The id of a special token; asked of the tokenizer, never typed."""
    ids = adapter.processor.tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise UserError(f"{token!r} is not one token of {adapter.config.name} but {len(ids)}; mend the model's YAML")
    return ids[0]
