"""Load a model and prove that its adapter is right."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lode.errors import UserError
from lode.model.adapter import Adapter, open_model
from lode.model.weights import zeroed_columns


def load(config: Any, manifest: str | Path, device: str, threads: int) -> Adapter:
    """Open a model and prove its adapter; arguments and errors are those of `open_model` and `prove`."""
    adapter = open_model(config, manifest, device, threads)
    prove(adapter)
    return adapter


@torch.inference_mode()
def prove(adapter: Adapter) -> None:
    """Check on a short text that the gate site is where the config says, that zeroing a neuron there
    changes the logits, and that leaving the intervention restores them bit for bit.

    Raises:
        UserError: what did not hold.
    """
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
    with zeroed_columns(adapter, [(0, neuron)]):
        during = adapter.model(input_ids=ids).logits
    after = adapter.model(input_ids=ids).logits
    if torch.equal(before, during):
        raise UserError(
            f"zeroing neuron (0, {neuron}) does not change the logits: model.down_proj is not where neurons write"
        )
    if not torch.equal(before, after):
        raise UserError("the model does not return to its clean logits after an intervention")
