"""A Qwen2-VL of a few million parameters: the real classes, our own sizes and tokenizer.

Architecture: Wang et al., Qwen2-VL (arXiv 2409.12191), as implemented in `transformers`. The tokenizer has
Qwen's special tokens and chat markup.
"""

from collections.abc import Iterable
from typing import Any

from omegaconf import OmegaConf
from transformers import (
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from lode.training.tokenizer import build_tokenizer

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

#: Qwen2-VL's chat markup: a default system turn, media as vision_start pad vision_end.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- if loop.first and message.role != 'system' -%}
<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif -%}
<|im_start|>{{ message.role }}
{% if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>
{%- elif part.type == 'text' -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}"""


def build_processor(corpus: Iterable[str], recipe: Any) -> Qwen2VLProcessor:
    """The processor; `recipe.pixels`, `min` and `max` per image or frame, sets the number of image tokens."""
    size = {"shortest_edge": recipe.pixels.min, "longest_edge": recipe.pixels.max}
    return Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size),
        tokenizer=build_tokenizer(corpus, recipe.vocab_size, SPECIAL_TOKENS),
        video_processor=Qwen2VLVideoProcessor(size=size, cap_pixels_per_frame=False),
        chat_template=CHAT_TEMPLATE,
    )


def build_model(processor: Qwen2VLProcessor, recipe: Any) -> Qwen2VLForConditionalGeneration:
    """A freshly initialised model; `recipe.text` and `recipe.vision` are keywords of the two config classes."""
    sizes: Any = OmegaConf.to_container(recipe)
    text, vision = sizes["text"], sizes["vision"]
    ids = processor.tokenizer.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={
            **text,
            "vocab_size": len(processor.tokenizer),
            "bos_token_id": ids("<|endoftext|>"),
            "eos_token_id": ids("<|im_end|>"),
            "pad_token_id": ids("<|endoftext|>"),
        },
        vision_config={**vision, "hidden_size": text["hidden_size"]},
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=bool(text["tie_word_embeddings"]),
    )
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config.pad_token_id = ids("<|endoftext|>")
    model.generation_config.eos_token_id = ids("<|im_end|>")
    return model
