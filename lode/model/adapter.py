"""A loaded model and the places in it that Lode reads or changes: a table of facts, proved at load."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

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
        return len(self.down_proj)

    @property
    def num_neurons(self) -> int:
        return self.down_proj[0].in_features

    @property
    def device(self) -> torch.device:
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


def load(config: Any, manifest: str | Path, device: str, threads: int) -> Adapter:
    """Load a model that `download_model` has recorded, and prove that its adapter is right.

    Args:
        config: the `model` section.
        manifest: the manifest written by `download_model`.
        device: `auto` or a torch device.
        threads: CPU threads; one number of threads gives one result.

    Raises:
        UserError: a path of the config names no module, or a proof fails.
    """
    torch.set_num_threads(threads)
    transformers.utils.logging.disable_progress_bar()
    folder = json.loads(Path(manifest).read_text())["folder"]
    options = {"trust_remote_code": config.trust_remote_code, "local_files_only": True}
    processor = transformers.AutoProcessor.from_pretrained(folder, **options, **config.processor)
    processor.tokenizer.padding_side = "left"
    auto_class = getattr(transformers, config.auto_class)
    model = auto_class.from_pretrained(
        folder, **options, dtype=getattr(torch, config.dtype), use_safetensors=True, attn_implementation="sdpa"
    )
    model.to(choose_device(device)).eval().requires_grad_(False)
    eos, pad = model.generation_config.eos_token_id, processor.tokenizer.pad_token_id
    model.generation_config = transformers.GenerationConfig(do_sample=False, eos_token_id=eos, pad_token_id=pad)
    adapter = find_parts(config, model, processor)
    prove(adapter)
    return adapter


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


@torch.inference_mode()
def prove(adapter: Adapter) -> None:
    """Check on a short text that the gate site is where the config says, that zeroing a neuron there
    changes the logits, and that leaving the intervention restores them bit for bit.

    Raises:
        UserError: what did not hold.
    """
    from lode.intervention.zero import intervene

    ids = adapter.processor.tokenizer("a probe of a few words", return_tensors="pt")["input_ids"].to(adapter.device)
    seen: list[Tensor] = []
    hooks = [module.register_forward_hook(lambda *call: seen.append(call[2])) for module in adapter.activation]
    before = adapter.model(input_ids=ids).logits
    for hook in hooks:
        hook.remove()
    if len(seen) != adapter.num_layers or any(a.shape != (*ids.shape, adapter.num_neurons) for a in seen):
        raise UserError(
            f"model.activation = {adapter.config.activation!r}: {len(seen)} hooks fired with shapes "
            f"{sorted({tuple(a.shape) for a in seen})}; expected {adapter.num_layers} of "
            f"{(*ids.shape, adapter.num_neurons)} (batch, token, neuron)"
        )
    neuron = int(seen[0].abs().amax((0, 1)).argmax())
    with intervene(adapter, [(0, neuron)], torch.ones_like(ids)):
        during = adapter.model(input_ids=ids).logits
    after = adapter.model(input_ids=ids).logits
    if torch.equal(before, during):
        raise UserError(f"zeroing neuron (0, {neuron}) does not change the logits: model.down_proj is not where neurons write")
    if not torch.equal(before, after):
        raise UserError("the model does not return to its clean logits after an intervention")


def token_id(adapter: Adapter, token: str) -> int:
    """The id of a special token; asked of the tokenizer, never typed."""
    ids = adapter.processor.tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise UserError(f"{token!r} is not one token of {adapter.config.name} but {len(ids)}; mend the model's YAML")
    return ids[0]


def by_layer(neurons: Sequence[tuple[int, int]] | Any) -> dict[int, list[int]]:
    """(layer, neuron) pairs as the sorted neurons of each layer."""
    grouped: dict[int, list[int]] = {}
    for layer, neuron in sorted((int(pair[0]), int(pair[1])) for pair in neurons):
        grouped.setdefault(layer, []).append(neuron)
    return grouped
