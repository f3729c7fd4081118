"""From dataset records to model inputs: chat markup, media, padding, and the modality of every token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from lode.errors import UserError
from lode.media import DECODERS, Sampling
from lode.model.adapter import Adapter, token_id
from lode.shapes import TOKEN_MODALITIES

#: The processor's argument for each kind of medium. A wrong one is ignored with a warning: see `process`.
ARGUMENTS = {"image": "images", "audio": "audio", "video": "videos"}


@dataclass(frozen=True)
class Batch:
    """Left-padded model inputs and, for every token, an index into `TOKEN_MODALITIES` (-1: padding)."""

    inputs: dict[str, Tensor]
    token_modality: Int[Tensor, "batch token"]


def chat(processor: Any, sample: Mapping[str, Any], system_prompt: str | None = None) -> str:
    """The prompt of a record with chat markup, up to where the reply begins."""
    content = [*({"type": m["kind"]} for m in sample["media"]), {"type": "text", "text": sample["prompt"]}]
    turns = [{"role": "user", "content": content}]
    if system_prompt is not None:
        turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system_prompt}]})
    return processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)


def process(
    processor: Any, texts: Sequence[str], samples: Sequence[Mapping[str, Any]], sampling: Sampling
) -> dict[str, Tensor]:
    """Tokens of the texts and features of the samples' media, left-padded.

    Raises:
        UserError: the processor made nothing of the media, so that the model would be blind or deaf (METHODS 1.7).
    """
    media: dict[str, list[Any]] = {}
    for sample in samples:
        for medium in sample["media"]:
            decoded = DECODERS[medium["kind"]](medium["bytes"], sampling)
            media.setdefault(ARGUMENTS[medium["kind"]], []).append(decoded)
    options = {"sampling_rate": sampling.audio_rate} if "audio" in media else {}
    inputs = dict(processor(text=list(texts), **media, **options, padding=True, return_tensors="pt"))
    features = [name for name, tensor in inputs.items() if tensor.shape != inputs["input_ids"].shape]
    if media and not features:
        raise UserError(
            f"{type(processor).__name__} made nothing of {', '.join(media)}: it gave only {', '.join(inputs)}; "
            "expected features too. Mend `ARGUMENTS` in lode/model/encoding.py for this version of transformers"
        )
    return inputs


def sampling_of(processor: Any, video_rate: float, max_frames: int) -> Sampling:
    """How media are sampled: the sound rate of the feature extractor, where there is one, and the frame rate given."""
    extractor = getattr(processor, "feature_extractor", None)
    rates = {} if extractor is None else {"audio_rate": extractor.sampling_rate}
    return Sampling(video_rate=video_rate, max_frames=max_frames, **rates)


def encode(adapter: Adapter, samples: Sequence[Mapping[str, Any]]) -> Batch:
    """Prepare a batch on the model's device.

    Raises:
        UserError: a medium that this model has no token for, or that left no token in the prompt.
    """
    for sample in samples:
        for medium in sample["media"]:
            if medium["kind"] not in adapter.config.media_tokens:
                raise UserError(
                    f"sample {sample['sample_id']}: holds {medium['kind']}, but model {adapter.config.name} takes "
                    f"{', '.join(adapter.config.media_tokens) or 'text only'}"
                )
    texts = [chat(adapter.processor, sample, adapter.config.system_prompt) for sample in samples]
    sampling = sampling_of(adapter.processor, adapter.config.video_rate, adapter.config.max_frames)
    inputs = process(adapter.processor, texts, samples, sampling)
    codes = token_modalities(adapter, inputs["input_ids"], inputs["attention_mask"])
    for row, sample in enumerate(samples):
        for kind in {m["kind"] for m in sample["media"]}:
            if not (codes[row] == TOKEN_MODALITIES.index(kind)).any():
                raise UserError(
                    f"sample {sample['sample_id']}: its {kind} left no token in the prompt: the model is not shown it"
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
