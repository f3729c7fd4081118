"""A LLaVA-NeXT of a few million parameters: the real classes, our own sizes and tokenizer.

Architecture: Liu et al., LLaVA-NeXT (2024), as implemented in `transformers`: CLIP sees the whole picture and its
tiles, the features of its last layer but one go through a projector of two linear maps, and a Llama reads them between
the words. So the last layer of the tower can change nothing. Chat markup is Vicuna's.
"""

from collections.abc import Iterable
from typing import Any

from omegaconf import OmegaConf
from transformers import (
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
)

from lode.training.tokenizer import begin_with, build_tokenizer

PAD, BEGIN, END, IMAGE = "<pad>", "<s>", "</s>", "<image>"
SPECIAL_TOKENS = (PAD, BEGIN, END, IMAGE)

#: Vicuna's markup, with pictures before the text; `<s>` is the tokenizer's.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ 'USER: ' if message.role == 'user' else '' }}
{%- for part in message.content -%}
{{ '<image>\n' if part.type == 'image' else part.text }}
{%- endfor -%}
{{ ' ' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}"""


def build_processor(corpus: Iterable[str], recipe: Any) -> LlavaNextProcessor:
    """The processor; `recipe.tiles`: side of a tile and of a patch, and sizes of a picture in tiles [pixels]."""
    side, grid = recipe.tiles.side, [list(size) for size in recipe.tiles.grid]
    tokenizer = build_tokenizer(corpus, recipe.vocab_size, SPECIAL_TOKENS, PAD, END)
    tokenizer.bos_token = BEGIN
    begin_with(tokenizer, BEGIN)
    return LlavaNextProcessor(
        image_processor=LlavaNextImageProcessor(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}, image_grid_pinpoints=grid
        ),
        tokenizer=tokenizer,
        chat_template=CHAT_TEMPLATE,
        patch_size=recipe.tiles.patch,
        vision_feature_select_strategy="default",  # without CLIP's class token
        num_additional_image_tokens=1,
    )


def build_model(processor: LlavaNextProcessor, recipe: Any) -> LlavaNextForConditionalGeneration:
    """A freshly initialised model; `recipe.text` and `recipe.vision` are keywords of the two config classes."""
    ids = processor.tokenizer.convert_tokens_to_ids
    sizes: Any = OmegaConf.to_container(recipe)
    config = LlavaNextConfig(
        text_config={
            **sizes["text"],
            "model_type": "llama",
            "vocab_size": len(processor.tokenizer),
            "bos_token_id": ids(BEGIN),
            "eos_token_id": ids(END),
            "pad_token_id": ids(PAD),
        },
        vision_config={
            **sizes["vision"],
            "model_type": "clip_vision_model",
            "image_size": recipe.tiles.side,
            "patch_size": recipe.tiles.patch,
        },
        vision_feature_layer=-2,
        image_grid_pinpoints=sizes["tiles"]["grid"],
        image_token_index=ids(IMAGE),
        tie_word_embeddings=bool(sizes["text"]["tie_word_embeddings"]),
    )
    model = LlavaNextForConditionalGeneration(config)
    model.generation_config.pad_token_id = ids(PAD)
    model.generation_config.eos_token_id = ids(END)
    return model
