"""What a model refuses of a sample: media, markup, lengths, sounds that it would not hear whole."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from lode.engine.errors import UserError
from lode.model.adapter import Adapter
from lode.shapes import TOKEN_MODALITIES

#: Inputs with one row a text and, of a model that reads each image in the light of the prompt, one row an image.
PAIRED = {"qformer_input_ids": "pixel_values"}

#: Masks of sound features, by which a sound that was cut is known: one entry for every `hop_length` samples heard.
SOUND_MASKS = ("feature_attention_mask", "input_features_mask")


def kinds_of(sample: Mapping[str, Any]) -> set[str]:
    """Which media a sample holds."""
    return {medium["kind"] for medium in sample["media"]}


def check_media(config: Any, sample: Mapping[str, Any]) -> None:
    """Refuse a sample that the model cannot be shown: its media are not those of the model."""
    kinds = kinds_of(sample)
    takes = ", ".join(config.media_tokens) or "text only"
    for kind in kinds - set(config.media_tokens):
        raise UserError(f"sample {sample['sample_id']}: holds {kind}, but model {config.name} takes {takes}")
    for kind in set(config.required_media) - kinds:
        raise UserError(f"sample {sample['sample_id']}: holds no {kind}, which model {config.name} always needs")
    tokens = [config.media_tokens[kind] for kind in kinds]
    if len(set(tokens)) < len(tokens):
        raise UserError(
            f"sample {sample['sample_id']}: holds {', '.join(sorted(kinds))}, for which model {config.name} has one "
            "and the same token: their tokens cannot be told apart"
        )


def check_text(config: Any, sample: Mapping[str, Any], what: str, text: str) -> None:
    """Refuse a text that holds markup of the model: its tokens would count as special, or stand for a medium.

    Args:
        config: of the model.
        sample: a row of a dataset table.
        what: what the text is of the sample.
        text: prompt or answer.

    Raises:
        UserError: names the markup.
    """
    for token in (*config.special_tokens, *config.media_tokens.values()):
        if token in text:
            raise UserError(
                f"sample {sample['sample_id']}: its {what} holds {token!r}, which is markup of model {config.name}; "
                "expected plain text. Take it out of the dataset"
            )


def check_lengths(adapter: Adapter, samples: Sequence[Mapping[str, Any]], num_tokens: Sequence[int]) -> None:
    """Refuse a sample that is longer than the model's context: beyond it a model computes, but not what it learned.

    Args:
        adapter: the model; one whose config states no context takes any length.
        samples: rows of a dataset table.
        num_tokens: of each sample, with all that is to be appended.

    Raises:
        UserError: a sample is too long.
    """
    context = getattr(adapter.model.config.get_text_config(), "max_position_embeddings", None)
    for sample, count in zip(samples, num_tokens, strict=True):
        if context is not None and count > context:
            raise UserError(
                f"sample {sample['sample_id']}: {count} tokens with its answer, and model {adapter.config.name} takes "
                f"{context}. Use fewer pixels or frames (model.processor, model.max_frames), fewer shots, a lower "
                "max_new_tokens of the dataset, or remove the sample"
            )


def check_sound_tokens(sample: Mapping[str, Any], codes: Int[Tensor, " token"]) -> None:
    """Refuse sounds of one token: Qwen2-Audio takes a lone token for one that is still to be expanded."""
    heard = codes == TOKEN_MODALITIES.index("audio")
    if heard.any() and not (heard[1:] & heard[:-1]).any():
        raise UserError(
            f"sample {sample['sample_id']}: its sound is too short, it makes one token; expected two or more (about "
            "0.07 s, at 25 tokens a second). Lengthen it with silence, or remove the sample"
        )


def check_heard(
    processor: Any, sample: Mapping[str, Any], sounds: Sequence[np.ndarray], inputs: Mapping[str, Tensor]
) -> None:
    """Refuse a sound of which the feature extractor took only the beginning."""
    for mask in (inputs[name] for name in SOUND_MASKS if name in inputs):
        extractor = processor.feature_extractor
        heard, whole = int(mask.sum()) * extractor.hop_length, sum(map(len, sounds))
        if heard < whole:
            rate = extractor.sampling_rate
            raise UserError(
                f"sample {sample['sample_id']}: its sound is {whole / rate:.2f} s long, and {type(processor).__name__} "
                f"takes {heard / rate:.2f} s of it: the model would not hear the rest. Cut it into parts, or leave it "
                "out (dataset.options.max_seconds, where the dataset has it)"
            )


def refuse_unpaired(processor: Any, sample: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> None:
    """Refuse several images where the model takes one a prompt.

    Raises:
        UserError: names the sample.
    """
    for text, features in PAIRED.items():
        if text in inputs and features in inputs and len(inputs[text]) != len(inputs[features]):
            raise UserError(
                f"sample {sample['sample_id']}: holds {len(inputs[features])} images, and a model with a "
                f"{type(processor).__name__} takes {len(inputs[text])} in a prompt. Remove the sample, or all images "
                "but one, or choose another model"
            )
