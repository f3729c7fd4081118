"""A loaded model and the places in it that Lode reads or changes: a table of facts."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers.utils import is_flash_attn_2_available

from lode.engine.errors import UserError
from lode.model.sites import Site, find_sites, module_at
from lode.neurons import LM_GATE


@dataclass
class Contexts:
    """How many contexts are entered that keep the answers of encoders, and that need encoders to run.

    Attributes:
        maskers: what changes the masks of the language model's attention, the outermost first.
    """

    keeping: int = 0
    running: int = 0
    maskers: list[Callable[..., Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Adapter:
    """A model, its processor, and its parts.

    Attributes:
        attention: modules that call the attention function, by language-model layer, nearest the input first.
        sites: where neurons are, by name.
        towers: encoder modules by medium.
        contexts: those that are entered (`lode/model/tower.py`).
    """

    config: Any
    model: Any
    processor: Any
    attention: tuple[nn.Module, ...]
    sites: dict[str, Site]
    towers: dict[str, nn.Module]
    contexts: Contexts = field(default_factory=Contexts)

    @property
    def gate(self) -> Site:
        """The site of the language model's feed-forward layers."""
        return self.sites[LM_GATE]

    @property
    def num_layers(self) -> int:
        """Layers of the language model."""
        return self.gate.num_layers

    @property
    def num_neurons(self) -> int:
        """Neurons in each layer of the language model."""
        return self.gate.widths[0]

    @property
    def device(self) -> torch.device:
        """Where inputs go; a model that is spread has its layers on others too."""
        return self.model.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of weights and features."""
        return self.gate.reader[0].weight.dtype


@contextmanager
def encoders_run(adapter: Adapter, sites: Iterable[str]) -> Iterator[None]:
    """Within the context, and where one of the sites lies within an encoder, no answer of an encoder may be kept.

    Raises:
        UserError: some are kept already.
    """
    inside = sorted(name for name in sites if adapter.sites[name].in_encoder)
    contexts = adapter.contexts
    if inside and contexts.keeping:
        raise UserError(
            f"sites {', '.join(inside)} lie within an encoder whose answers are kept: to switch or watch neurons there "
            "would change and show nothing; expected the context of encoders_once to be left before"
        )
    contexts.running += bool(inside)
    try:
        yield
    finally:
        contexts.running -= bool(inside)


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
    towers = {m: module_at(model, path, f"model.towers.{m}") for m, path in config.towers.items()}
    sites = find_sites(config, model, towers)
    if sites[LM_GATE].num_layers != len(layers):
        raise UserError(
            f"model.sites.{LM_GATE}: {sites[LM_GATE].num_layers} layers, and model.layers = {config.layers!r} has "
            f"{len(layers)}; expected one for each. Fix the paths in the model's YAML"
        )
    return Adapter(
        config=config,
        model=model,
        processor=processor,
        attention=tuple(module_at(layer, config.attention, "model.attention") for layer in layers),
        sites=sites,
        towers=towers,
    )


def token_id(adapter: Adapter, token: str) -> int:
    """The id of a special token; asked of the tokenizer, never typed."""
    ids = adapter.processor.tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise UserError(f"{token!r} is not one token of {adapter.config.name} but {len(ids)}; fix the model's YAML")
    return ids[0]
