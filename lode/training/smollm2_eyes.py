"""SmolLM2 with eyes: LLaVA's class around a language model that is not trained, with a tower and a projector that are.

Architecture: Liu et al., Visual Instruction Tuning (arXiv 2304.08485), as implemented in `transformers`: the last layer
of a CLIP encoder goes through a projector of two linear maps to the places of `PLACE`, without CLIP's class token.
"""

from typing import Any

import torch
from omegaconf import OmegaConf
from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

from lode.training.frozen import CHAT_TEMPLATE, PLACE, put_in, scale, text_config

#: The input that holds pictures.
MEDIUM = "pixel_values"
#: Pictures of noise by which the projector is scaled.
NUM_NOISE = 16


def build_processor(tokenizer: Any, recipe: Any) -> LlavaProcessor:
    """The processor; `recipe.pixels`: the sides of a picture and of a patch [pixels]."""
    side = recipe.pixels.side
    return LlavaProcessor(
        image_processor=CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side}),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
        image_token=PLACE,
        patch_size=recipe.pixels.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def build_model(processor: LlavaProcessor, recipe: Any, language_model: Any) -> LlavaForConditionalGeneration:
    """A model whose tower and projector are fresh; `recipe.vision` are keywords of CLIP's config class."""
    vision: Any = OmegaConf.to_container(recipe.vision)
    side, patch = recipe.pixels.side, recipe.pixels.patch
    config = LlavaConfig(
        text_config=text_config(language_model),
        vision_config={**vision, "model_type": "clip_vision_model", "image_size": side, "patch_size": patch},
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        image_token_index=processor.tokenizer.convert_tokens_to_ids(PLACE),
        image_seq_length=(side // patch) ** 2,
    )
    model = LlavaForConditionalGeneration(config)
    put_in(model, language_model)
    scale_projector(model)
    return model


def tower_of(model: LlavaForConditionalGeneration) -> torch.nn.Module:
    """What sees."""
    return model.model.vision_tower


def tower_rows(model: LlavaForConditionalGeneration, pixel_values: torch.Tensor) -> torch.Tensor:
    """What the tower writes of pictures, without CLIP's class token: (sample, patch, width), patches row by row."""
    return tower_of(model)(pixel_values).last_hidden_state[:, 1:]


@torch.no_grad()
def scale_projector(model: LlavaForConditionalGeneration) -> None:
    """Let the projector write of noise what is as large as words are."""
    vision: Any = model.config.vision_config
    words: Any = model.get_input_embeddings()
    side, projector = vision.image_size, model.model.multi_modal_projector
    rows = projector(tower_rows(model, torch.randn(NUM_NOISE, 3, side, side)))
    scale(projector.linear_2, rows, words.weight)
