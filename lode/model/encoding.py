"""From dataset records to model inputs: chat markup, media, padding, and the modality of every token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from lode.errors import UserError
from lode.model.adapter import Adapter, token_id
from lode.shapes import TOKEN_MODALITIES

#: Processor argument and decoder of each kind of medium.
MEDIA = {"image": ("images", lambda data: Image.open(BytesIO(data)).convert("RGB"))}


@dataclass(frozen=True)
class Batch:
    """Left-padded model inputs and, for every token, an index into `TOKEN_MODALITIES` (-1: padding)."""

    inputs: dict[str, Tensor]
    token_modality: Int[Tensor, "batch token"]


def chat(adapter: Adapter, sample: Mapping[str, Any]) -> str:
    """The prompt of a record with chat markup, up to where the reply begins."""
    content = [*({"type": m["kind"]} for m in sample["media"]), {"type": "text", "text": sample["prompt"]}]
    turns = [{"role": "user", "content": content}]
    if adapter.config.system_prompt is not None:
        turns.insert(0, {"role": "system", "content": adapter.config.system_prompt})
    return adapter.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)


def encode(adapter: Adapter, samples: Sequence[Mapping[str, Any]]) -> Batch:
    """Prepare a batch on the model's device.

    Raises:
        UserError: a medium that this model has no token for, or that left no token in the prompt.
    """
    media: dict[str, list[Any]] = {}
    for sample in samples:
        for medium in sample["media"]:
            if medium["kind"] not in adapter.config.media_tokens:
                raise UserError(
                    f"sample {sample['sample_id']}: holds {medium['kind']}, but model {adapter.config.name} takes "
                    f"{', '.join(adapter.config.media_tokens) or 'text only'}"
                )
            argument, decode = MEDIA[medium["kind"]]
            media.setdefault(argument, []).append(decode(medium["bytes"]))
    text = [chat(adapter, sample) for sample in samples]
    inputs = dict(adapter.processor(text=text, **media, padding=True, return_tensors="pt"))
    codes = token_modalities(adapter, inputs["input_ids"], inputs["attention_mask"])
    for row, sample in enumerate(samples):
        for kind in {m["kind"] for m in sample["media"]}:
            if not (codes[row] == TOKEN_MODALITIES.index(kind)).any():
                raise UserError(
                    f"sample {sample['sample_id']}: its {kind} left no token in the prompt; the model is blind"
                )
    return Batch({name: tensor.to(adapter.device) for name, tensor in inputs.items()}, codes.to(adapter.device))


def token_modalities(
    adapter: Adapter, input_ids: Int[Tensor, "batch token"], attention_mask: Int[Tensor, "batch token"]
) -> Int[Tensor, "batch token"]:
    """What every token is: a medium by its placeholder, special by name, all else text, -1 for padding."""
    codes = torch.full_like(input_ids, TOKEN_MODALITIES.index("text"))
    for token in adapter.config.special_tokens:
        codes[input_ids == token_id(adapter, token)] = TOKEN_MODALITIES.index("special")
    for medium, token in adapter.config.media_tokens.items():
        codes[input_ids == token_id(adapter, token)] = TOKEN_MODALITIES.index(medium)
    return codes.masked_fill(attention_mask == 0, -1)


def append_tokens(batch: Batch, continuations: Sequence[Sequence[int]], pad_token_id: int) -> dict[str, Tensor]:
    """Model inputs with token ids appended to every prompt, right-padded and masked."""
    longest = max(len(ids) for ids in continuations)
    padded = torch.tensor([[*ids, *[pad_token_id] * (longest - len(ids))] for ids in continuations])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in continuations])
    prompt_shape = batch.inputs["input_ids"].shape
    inputs = dict(batch.inputs)
    for name, tensor in batch.inputs.items():
        if tensor.shape == prompt_shape:
            tail = {"input_ids": padded, "attention_mask": mask}.get(name, torch.zeros_like(padded))
            inputs[name] = torch.cat([tensor, tail.to(tensor)], dim=1)
    return inputs
