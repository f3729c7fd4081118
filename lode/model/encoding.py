"""From dataset records to model inputs: chat markup, media, padding, and the modality of every token.

Each sample goes through the processor alone and `collate` makes the batch, so a batch of n is n batches of one,
whatever a processor would make of several samples (nested lists, padding between an image and its text).
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn.functional import pad
from transformers.video_utils import VideoMetadata

from lode.engine.errors import UserError
from lode.media import Clip, Medium, Sampling, decode
from lode.model.adapter import Adapter, token_id
from lode.model.sample import (
    check_heard,
    check_lengths,
    check_media,
    check_sound_tokens,
    check_text,
    kinds_of,
    refuse_unpaired,
)
from lode.model.tokens import REPLY, TOKEN_KINDS

#: The processor's argument for each kind of medium. A wrong one may be ignored with a mere warning: see `decode_media`.
ARGUMENTS = {"image": "images", "audio": "audio", "video": "videos"}

#: Inputs with one entry a token; every other input holds features of media.
TOKENWISE = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")

#: Features that no model tells from padding: frames of videos.
UNPADDED = ("pixel_values_videos",)


@dataclass(frozen=True)
class Batch:
    """Left-padded model inputs and, for every token, an index into `TOKEN_KINDS` (-1: padding)."""

    inputs: dict[str, Tensor]
    token_kind: Int[Tensor, "batch token"]


def chat(
    processor: Any, sample: Mapping[str, Any], system_prompt: str | None = None, chat_template: str | None = None
) -> str:
    """The prompt of a record with chat markup, up to where the reply begins.

    Args:
        processor: a processor of transformers.
        sample: a row of a dataset table.
        system_prompt: None for what the template says.
        chat_template: Jinja; None for the processor's own.
    """
    content = [*({"type": m["kind"]} for m in sample["media"]), {"type": "text", "text": sample["prompt"]}]
    turns = [{"role": "user", "content": content}]
    if system_prompt is not None:
        turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system_prompt}]})
    return processor.apply_chat_template(turns, chat_template, add_generation_prompt=True, tokenize=False)


def decode_media(processor: Any, sample: Mapping[str, Any], sampling: Sampling) -> dict[str, Any]:
    """The media of one sample as keyword arguments of the processor.

    Frames are sampled here, at known times, so the processor is told these and not to sample again.

    Raises:
        UserError: the processor has no such argument, or a medium does not decode.
    """
    taken = inspect.signature(processor.__call__).parameters
    media: dict[str, list[Any]] = {}
    for medium in sample["media"]:
        if ARGUMENTS[medium["kind"]] not in taken:
            raise UserError(
                f"{type(processor).__name__} takes {', '.join(taken)} and no {ARGUMENTS[medium['kind']]!r}: the model "
                "would not be shown it. Fix `ARGUMENTS` in lode/model/encoding.py for this version of transformers"
            )
        media.setdefault(medium["kind"], []).append(decode(sample["sample_id"], Medium(**medium), sampling))
    arguments: dict[str, Any] = {ARGUMENTS[kind]: decoded for kind, decoded in media.items()}
    if "image" in media:
        arguments[ARGUMENTS["image"]] = [media["image"]]  # nested: one list a sample, which all processors take
    if "audio" in media:
        arguments["audio_kwargs"] = {"sampling_rate": sampling.audio_rate}
    if "video" in media:
        arguments[ARGUMENTS["video"]] = [clip.frames for clip in media["video"]]
        arguments["videos_kwargs"] = timing(media["video"])
    return arguments


def timing(clips: Sequence[Clip]) -> dict[str, Any]:
    """The processor's arguments that say when the frames of one sample's videos are."""
    grids = [clip.grid for clip in clips]
    known = [{"total_num_frames": g.total, "fps": g.rate, "frames_indices": list(g.indices)} for g in grids]
    return {"do_sample_frames": False, "fps": grids[0].sampled_rate, "video_metadata": known}


def process_alone(
    processor: Any, text: str, sample: Mapping[str, Any], sampling: Sampling, options: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Tokens of one text, never cut, and features of its sample's media.

    A tokenizer may have kept a truncation from its training, in tokenizer.json or in tokenizer_config.json, which a
    processor would take for its own; so it is told for every text.

    Raises:
        UserError: the processor does not take the sample (an image 200 times as wide as high, for one), or made
            nothing of the media, so that the model would be blind or deaf (docs/methods.md 1.7), or cut a sound.
    """
    arguments = decode_media(processor, sample, sampling)
    for name, value in options.items():
        arguments[name] = {**value, **arguments.get(name, {})}
    arguments["text_kwargs"] = {**arguments.get("text_kwargs", {}), "truncation": False}
    bos_token = processor.tokenizer.bos_token  # not twice, where the template says it
    if bos_token and text.startswith(bos_token):
        arguments["text_kwargs"] = {"add_special_tokens": False, **arguments["text_kwargs"]}
    try:
        inputs = dict(processor(text=[text], **arguments, return_tensors="pt"))
    except ValueError as error:
        raise UserError(
            f"sample {sample['sample_id']}: {type(processor).__name__} does not take it: {error}. Fix or remove it"
        ) from error
    if sample["media"] and not set(inputs) - set(TOKENWISE):
        kinds = ", ".join(medium["kind"] for medium in sample["media"])
        raise UserError(
            f"{type(processor).__name__} made nothing of {kinds}: it gave only {', '.join(inputs)}; expected features "
            "too. Fix `ARGUMENTS` in lode/model/encoding.py for this version of transformers"
        )
    if "video_second_per_grid" in inputs:  # the processor takes one rate for all videos of a sample
        rates = [VideoMetadata(**known).sampled_fps for known in arguments["videos_kwargs"]["video_metadata"]]
        inputs["video_second_per_grid"] = processor.video_processor.temporal_patch_size / torch.tensor(rates)
    check_heard(processor, sample, arguments.get("audio", []), inputs)
    refuse_unpaired(processor, sample, inputs)
    return inputs


def collate(rows: Sequence[Mapping[str, Tensor]], pad_token_id: int) -> dict[str, Tensor]:
    """Left-pad what has one entry a token; concatenate features, zero-padded at their ends to one size.

    Raises:
        UserError: videos of several lengths, for a model that takes only one in a batch.
    """
    batch = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        parts = [row[name] for row in rows if name in row]
        longest = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
        if name in TOKENWISE:
            assert len(parts) == len(rows), f"{name} for some samples only"
            fill = pad_token_id if name == "input_ids" else 0
            parts = [pad(part, (longest[0] - part.shape[1], 0), value=fill) for part in parts]
        elif name in UNPADDED and len({part.shape[1:] for part in parts}) > 1:
            lengths = ", ".join(str(part.shape[1]) for part in parts)
            raise UserError(
                f"videos of {lengths} frames in one batch, and this model takes only equal lengths together; set "
                "capture.batch_size=1 and ablation.batch_size=1"
            )
        else:
            parts = [extend(part, longest) for part in parts]
        batch[name] = torch.cat(parts)
    return batch


def extend(part: Tensor, sizes: Sequence[int]) -> Tensor:
    """Zeros at the end of every axis but the first, up to these sizes."""
    missing = [size - held for size, held in zip(sizes, part.shape[1:], strict=True)]
    return pad(part, [count for size in reversed(missing) for count in (0, size)])


def process(
    processor: Any,
    texts: Sequence[str],
    samples: Sequence[Mapping[str, Any]],
    sampling: Sampling,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Tensor]:
    """Tokens of the texts and features of the samples' media, left-padded.

    Args:
        processor: a processor of transformers.
        texts: prompts with chat markup, one a sample.
        samples: rows of a dataset table.
        sampling: how media are sampled.
        options: further keyword arguments of the processor, by modality (`images_kwargs` and the like).

    Raises:
        UserError: that of `process_alone`.
    """
    rows = [process_alone(processor, *pair, sampling, options or {}) for pair in zip(texts, samples, strict=True)]
    return collate(rows, processor.tokenizer.pad_token_id)


def sampling_of(processor: Any, video_rate: float, max_frames: int, video_frames: str = "shown") -> Sampling:
    """How media are sampled: the sound rate of the feature extractor, where there is one, and the frames given."""
    extractor = getattr(processor, "feature_extractor", None)
    rates = {} if extractor is None else {"audio_rate": extractor.sampling_rate}
    return Sampling(video_rate=video_rate, max_frames=max_frames, video_frames=video_frames, **rates)


def encode(adapter: Adapter, samples: Sequence[Mapping[str, Any]]) -> Batch:
    """Prepare a batch on the model's device, its features in the model's number format.

    Raises:
        UserError: a medium that this model has no token for, or that left no token in the prompt; a sound of one
            token; no medium where the model needs one; markup of the model in the text; more tokens than the model's
            context.
    """
    config = adapter.config
    for sample in samples:
        check_media(config, sample)
        check_text(config, sample, "prompt", sample["prompt"])
    texts = [chat(adapter.processor, sample, config.system_prompt, config.chat_template) for sample in samples]
    sampling = sampling_of(adapter.processor, config.video_rate, config.max_frames, config.video_frames)
    options: Any = OmegaConf.to_container(config.processor)
    inputs = process(adapter.processor, texts, samples, sampling, options)
    check_lengths(adapter, samples, inputs["attention_mask"].sum(1).tolist())
    codes = token_kinds(adapter, inputs["input_ids"], inputs["attention_mask"], samples)
    for row, sample in enumerate(samples):
        for kind in kinds_of(sample):
            if not (codes[row] == TOKEN_KINDS.index(kind)).any():
                raise UserError(
                    f"sample {sample['sample_id']}: its {kind} left no token in the prompt: the model is not shown it"
                )
        check_sound_tokens(sample, codes[row])
    placed = {
        name: tensor.to(adapter.device, adapter.dtype if tensor.is_floating_point() else tensor.dtype)
        for name, tensor in inputs.items()
    }
    return Batch(placed, codes.to(adapter.device))


def token_kinds(
    adapter: Adapter,
    input_ids: Int[Tensor, "batch token"],
    attention_mask: Int[Tensor, "batch token"],
    samples: Sequence[Mapping[str, Any]],
) -> Int[Tensor, "batch token"]:
    """What every token is: a medium of its sample by placeholder, special by name, all else text, -1 for padding."""
    codes = torch.full_like(input_ids, TOKEN_KINDS.index("text"))
    for token in adapter.config.special_tokens:
        codes[input_ids == token_id(adapter, token)] = TOKEN_KINDS.index("special")
    for medium, token in adapter.config.media_tokens.items():
        holds = torch.tensor([medium in kinds_of(sample) for sample in samples])[:, None]
        codes[holds & (input_ids == token_id(adapter, token))] = TOKEN_KINDS.index(medium)
    return codes.masked_fill(attention_mask == 0, -1)


def append_tokens(batch: Batch, continuations: Sequence[Sequence[int]], pad_token_id: int) -> dict[str, Tensor]:
    """Model inputs with token ids appended to every prompt, right-padded and masked."""
    longest = max(len(ids) for ids in continuations)
    padded = torch.tensor([[*ids, *[pad_token_id] * (longest - len(ids))] for ids in continuations])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in continuations])
    inputs = dict(batch.inputs)
    for name in set(TOKENWISE) & set(inputs):
        tail = {"input_ids": padded, "attention_mask": mask}.get(name, torch.zeros_like(padded))
        inputs[name] = torch.cat([inputs[name], tail.to(inputs[name])], dim=1)
    return inputs


def append_replies(batch: Batch, continuations: Sequence[Sequence[int]]) -> Int[Tensor, "batch token"]:
    """What every token is of the inputs that `append_tokens` gives: as in the batch, then `REPLY`, -1 for padding."""
    longest = max(len(ids) for ids in continuations)
    tail = torch.tensor([[REPLY] * len(ids) + [-1] * (longest - len(ids)) for ids in continuations])
    return torch.cat([batch.token_kind, tail.to(batch.token_kind)], dim=1)
