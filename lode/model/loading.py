"""Load a model and prove that its adapter is right."""

from pathlib import Path
from typing import Any

import torch

from lode.engine.errors import UserError
from lode.media import blank
from lode.model.adapter import Adapter
from lode.model.encoding import Batch, encode
from lode.model.opening import open_model
from lode.model.probe import FeatureCount, noise, sample
from lode.model.proofs import prove_sites
from lode.model.tokens import TOKEN_KINDS
from lode.neurons import LM_GATE


def load(config: Any, manifest: str | Path, device: str, threads: int) -> Adapter:
    """Open a model and prove its adapter; arguments and errors are those of `open_model` and `prove`."""
    return prove(open_model(config, manifest, device, threads))


def prove(adapter: Adapter) -> Adapter:
    """Check on short samples that the adapter's facts hold.

    Returns:
        The adapter, whose sites know now which of their layers are dead.

    Raises:
        UserError: what did not hold.
    """
    refuse_unnamed(adapter, encode(adapter, [sample([noise(kind) for kind in adapter.config.required_media])]))
    adapter = prove_sites(adapter, [LM_GATE])
    for medium in adapter.config.media_tokens:
        prove_medium(adapter, medium)
    return prove_sites(adapter, [name for name in adapter.sites if name != LM_GATE])  # by media, which reach the model


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
