"""Load a model and prove that its adapter is right."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lode.engine.errors import UserError
from lode.media import blank
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, encode
from lode.model.opening import open_model
from lode.model.probe import FeatureCount, noise, sample
from lode.model.tokens import TOKEN_KINDS
from lode.model.weights import zeroed_columns


def load(config: Any, manifest: str | Path, device: str, threads: int) -> Adapter:
    """Open a model and prove its adapter; arguments and errors are those of `open_model` and `prove`."""
    adapter = open_model(config, manifest, device, threads)
    prove(adapter)
    return adapter


def prove(adapter: Adapter) -> None:
    """Check on short samples that the adapter's facts hold.

    Raises:
        UserError: what did not hold.
    """
    prove_site(adapter)
    for medium in adapter.config.media_tokens:
        prove_medium(adapter, medium)


@torch.inference_mode()
def prove_site(adapter: Adapter) -> None:
    """Check that the gate site is where the config says, that zeroing a neuron there changes the logits, and
    that leaving the intervention restores them bit for bit.

    Raises:
        UserError: what did not hold.
    """
    batch = encode(adapter, [sample([noise(kind) for kind in adapter.config.required_media])])
    refuse_unnamed(adapter, batch)
    inputs = batch.inputs
    expected = (*inputs["input_ids"].shape, adapter.num_neurons)
    seen: list[Tensor] = []
    hooks = [module.register_forward_hook(lambda *call: seen.append(call[2])) for module in adapter.activation]
    before = adapter.model(**inputs).logits
    for hook in hooks:
        hook.remove()
    if len(seen) != adapter.num_layers or any(a.shape != expected for a in seen):
        raise UserError(
            f"model.activation = {adapter.config.activation!r}: {len(seen)} hooks fired with shapes "
            f"{sorted({tuple(a.shape) for a in seen})}; expected {adapter.num_layers} of "
            f"{expected} (batch, token, neuron)"
        )
    written = seen[0].abs().amax((0, 1)) * adapter.down_proj[0].weight.norm(dim=0)  # of a zeroed column, nothing
    neuron = int(written.argmax())
    with zeroed_columns(adapter, [(0, neuron)]):
        during = adapter.model(**inputs).logits
    after = adapter.model(**inputs).logits
    if torch.equal(before, during):
        raise UserError(
            f"zeroing neuron (0, {neuron}) does not change the logits: model.down_proj is not where neurons write"
        )
    if not torch.equal(before, after):
        raise UserError("the model does not return to its clean logits after an intervention")


@torch.inference_mode()
def prove_medium(adapter: Adapter, medium: str) -> None:
    """Check that every feature of an image, sound or video takes the place of one of its tokens, and that noise and a
    blank medium of the same size give different logits: the model is neither blind nor deaf (docs/methods.md 1.7).

    Raises:
        UserError: what did not hold.
    """
    kinds = dict.fromkeys([*adapter.config.required_media, medium])
    media = [noise(kind) for kind in kinds]
    shown = encode(adapter, [sample(media)])
    refuse_unnamed(adapter, shown)
    num_tokens = sum(int((shown.token_kind == TOKEN_KINDS.index(kind)).sum()) for kind in kinds)
    with FeatureCount() as count:
        logits = adapter.model(**shown.inputs).logits
    if not num_tokens == count.num_places == count.num_features:
        raise UserError(
            f"model.media_tokens.{medium} = {adapter.config.media_tokens[medium]!r}: the prompt of a probe holds "
            f"{num_tokens} such tokens, the model replaces {count.num_places} tokens, and its encoder gives "
            f"{count.num_features} features; expected equal numbers"
        )
    hidden = encode(adapter, [sample([m if m.kind != medium else blank(m) for m in media])])
    if not torch.equal(shown.inputs["input_ids"], hidden.inputs["input_ids"]):
        raise UserError(f"the prompt of a probe with noise for {medium} differs from one with a blank of the same size")
    if torch.equal(logits, adapter.model(**hidden.inputs).logits):
        raise UserError(
            f"noise for {medium} and a blank of the same size give equal logits: model {adapter.config.name} is not "
            "shown it. Does its processor ignore it in this version of transformers?"
        )


def refuse_unnamed(adapter: Adapter, batch: Batch) -> None:
    """Refuse a prompt with special tokens of the tokenizer that would count as text.

    Raises:
        UserError: names them.
    """
    added = adapter.processor.tokenizer.added_tokens_decoder
    text = batch.inputs["input_ids"][batch.token_kind == TOKEN_KINDS.index("text")]
    unnamed = [added[number].content for number in text.unique().tolist() if number in added and added[number].special]
    if unnamed:
        raise UserError(
            f"model {adapter.config.name}: its prompts hold {', '.join(unnamed)}, which its tokenizer calls special; "
            "name them in `special_tokens` of the model's YAML, or they would count as text"
        )
