"""SmolLM2 with ears: Qwen2-Audio's class around a language model that is not trained, with a tower and a projector that
are.

Architecture: Chu et al., Qwen2-Audio (arXiv 2407.10759), as implemented in `transformers`, with a Llama in the place of
Qwen2: every 40 ms of a sound take one place of `PLACE`, through one linear map.
"""

from typing import Any

import torch
from omegaconf import OmegaConf
from transformers import (
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from lode.training.frozen import CHAT_TEMPLATE, PLACE, put_in, scale, text_config

#: The input that holds spectra.
MEDIUM = "input_features"
#: Spectra of noise by which the projector is scaled.
NUM_NOISE = 16
#: Spectra in a second of sound, and those of which the tower makes one position.
SPECTRA, STRIDE = 100, 2


def build_processor(tokenizer: Any, recipe: Any) -> Qwen2AudioProcessor:
    """The processor; `recipe.audio` holds the number of mel bins and the longest sound in seconds."""
    return Qwen2AudioProcessor(
        feature_extractor=WhisperFeatureExtractor(
            feature_size=recipe.audio.num_mel_bins, chunk_length=recipe.audio.seconds, return_attention_mask=True
        ),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
        audio_token=PLACE,
    )


def build_model(processor: Qwen2AudioProcessor, recipe: Any, language_model: Any) -> Qwen2AudioForConditionalGeneration:
    """A model whose tower and projector are fresh; `recipe.encoder` are keywords of the encoder's config class."""
    encoder: Any = OmegaConf.to_container(recipe.encoder)
    bins, num_spectra = recipe.audio.num_mel_bins, recipe.audio.seconds * SPECTRA
    config = Qwen2AudioConfig(
        text_config=text_config(language_model),
        audio_config={**encoder, "num_mel_bins": bins, "max_source_positions": num_spectra // STRIDE},
        audio_token_index=processor.tokenizer.convert_tokens_to_ids(PLACE),
    )
    model = Qwen2AudioForConditionalGeneration(config)
    put_in(model, language_model)
    scale_projector(model)
    return model


def tower_of(model: Qwen2AudioForConditionalGeneration) -> torch.nn.Module:
    """What hears."""
    return model.model.audio_tower


def tower_rows(model: Qwen2AudioForConditionalGeneration, input_features: torch.Tensor) -> torch.Tensor:
    """What the tower writes of spectra, 40 ms each: (sample, position, width)."""
    return tower_of(model)(input_features).last_hidden_state


@torch.no_grad()
def scale_projector(model: Qwen2AudioForConditionalGeneration) -> None:
    """Let the projector write of noise what is as large as words are."""
    facts: Any = model.config.audio_config
    words: Any = model.get_input_embeddings()
    projector = model.model.multi_modal_projector
    noise = torch.randn(NUM_NOISE, facts.num_mel_bins, facts.max_source_positions * STRIDE)
    scale(projector.linear, projector(tower_rows(model, noise)), words.weight)
