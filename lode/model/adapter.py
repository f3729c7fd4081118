"""A loaded model and the places in it that Lode reads or changes: a table of facts."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.utils import is_flash_attn_2_available

from lode.engine.errors import UserError


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
        """Where inputs go; a model that is spread has its layers on others too."""
        return self.model.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of weights and features."""
        return self.down_proj[0].weight.dtype


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
                "Fix the path in the model's YAML."
            )
        module = children[name]
    return module


def choose_device(name: str) -> torch.device:
    """The device of a name; `auto` is a GPU where there is one.

    Raises:
        UserError: this machine has no such device.
    """
    num_gpus = torch.cuda.device_count()
    device = torch.device(("cuda" if num_gpus else "cpu") if name == "auto" else name)
    if device.type == "cuda" and (device.index or 0) >= num_gpus:
        raise UserError(
            f"runtime.device = {name}: this machine has {num_gpus} CUDA devices; expected one of "
            f"{', '.join(['auto', 'cpu', *(f'cuda:{index}' for index in range(num_gpus))])}"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("runtime.device = mps: this machine has no Metal device; expected auto or cpu")
    return device


def placement(name: str) -> str | dict[str, torch.device]:
    """The device map of `from_pretrained`: `spread` shares the layers out among all GPUs, all else is one device."""
    return "auto" if name == "spread" else {"": choose_device(name)}


def check_attention(config: Any, device: str) -> None:
    """Refuse flash attention where it cannot run, before weights are loaded.

    Raises:
        UserError: no GPU, or no package.
    """
    if config.attn_implementation != "flash_attention_2":
        return
    if choose_device("auto" if device == "spread" else device).type != "cuda":
        raise UserError(
            f"model.attn_implementation = flash_attention_2 with runtime.device = {device}: it runs on a CUDA device "
            "only; set model.attn_implementation=sdpa"
        )
    if not is_flash_attn_2_available():
        raise UserError(
            "model.attn_implementation = flash_attention_2: the package flash-attn is not installed for this GPU; "
            "expected `pip install flash-attn --no-build-isolation`, or set model.attn_implementation=sdpa"
        )


def refuse_offload(config: Any, model: nn.Module) -> None:
    """Weights that wait outside the GPUs are copied in for every pass, past every intervention.

    Raises:
        UserError: there are some.
    """
    waiting = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if waiting:
        raise UserError(
            f"runtime.device = spread: model {config.name} in {config.dtype} is too large for "
            f"{torch.cuda.device_count()} GPUs: {len(waiting)} weights are left outside, {waiting[0]} the first; "
            "expected all on GPUs. Use more or larger GPUs, or model.dtype=bfloat16"
        )


def find_parts(config: Any, model: Any, processor: Any) -> Adapter:
    """Look up every part that the config names; fail loudly where one is absent."""
    layers = tuple(module_at(model, config.layers, "model.layers").children())

    def parts(path: str, what: str) -> tuple[nn.Module, ...]:
        return tuple(module_at(layer, path, what) for layer in layers)

    down_proj = parts(config.down_proj, "model.down_proj")
    odd = next((module for module in down_proj if not isinstance(module, nn.Linear)), None)
    if odd is not None:
        raise UserError(
            f"model.down_proj = {config.down_proj!r}: it is a {type(odd).__name__}; expected a Linear, whose columns "
            "are what neurons write. Fix the path in the model's YAML"
        )
    adapter = Adapter(
        config=config,
        model=model,
        processor=processor,
        attention=parts(config.attention, "model.attention"),
        activation=parts(config.activation, "model.activation"),
        down_proj=down_proj,  # type: ignore[arg-type]
        towers={m: module_at(model, path, f"model.towers.{m}") for m, path in config.towers.items()},
    )
    if len({id(module) for module in adapter.activation}) != len(layers):
        raise UserError(f"model.activation = {config.activation!r}: layers share one module, so hooks cannot tell them")
    return adapter


def token_id(adapter: Adapter, token: str) -> int:
    """The id of a special token; asked of the tokenizer, never typed."""
    ids = adapter.processor.tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise UserError(f"{token!r} is not one token of {adapter.config.name} but {len(ids)}; fix the model's YAML")
    return ids[0]
