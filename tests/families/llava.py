"""Tiny models of the LLaVA families: an image encoder, a projector, and a language model of another family."""

from typing import Any

import transformers as hf

from tests.families.parts import TEXT, VISION, chatml, ids, template, tokenizer

GRID = [[28, 56], [56, 28], [56, 56]]
CLIP = {"model_type": "clip_vision_model", **VISION}
CLIP_PIXELS: dict[str, Any] = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
#: Both drop the class token of CLIP.
CLIP_TOKENS: dict[str, Any] = {
    "patch_size": 14,
    "vision_feature_select_strategy": "default",
    "num_additional_image_tokens": 1,
}


def vicuna_words(*more: str) -> Any:
    return tokenizer(("<unk>", "<s>", "</s>", "<pad>", *more), pad="<pad>", end="</s>", begin="<s>")


def vicuna_text(words: Any) -> dict[str, Any]:
    marks = ids(words, bos_token_id="<s>", eos_token_id="</s>", pad_token_id="<pad>")
    return {**TEXT, "model_type": "llama", "vocab_size": len(words), **marks}


VICUNA = template("USER: ", " ", "ASSISTANT:", {"image": "<image>\n"})


def llava() -> tuple[Any, Any]:
    words = vicuna_words("<image>")
    config = hf.LlavaConfig(
        text_config=vicuna_text(words), vision_config=CLIP, **ids(words, image_token_index="<image>")
    )
    processor = hf.LlavaProcessor(
        image_processor=hf.CLIPImageProcessor(**CLIP_PIXELS), tokenizer=words, chat_template=VICUNA, **CLIP_TOKENS
    )
    return hf.LlavaForConditionalGeneration(config), processor


def llava_next() -> tuple[Any, Any]:
    words = vicuna_words("<image>")
    config = hf.LlavaNextConfig(
        text_config=vicuna_text(words),
        vision_config=CLIP,
        image_grid_pinpoints=GRID,
        **ids(words, image_token_index="<image>"),
    )
    processor = hf.LlavaNextProcessor(
        image_processor=hf.LlavaNextImageProcessor(**CLIP_PIXELS, image_grid_pinpoints=GRID),
        tokenizer=words,
        chat_template=VICUNA,
        **CLIP_TOKENS,
    )
    return hf.LlavaNextForConditionalGeneration(config), processor


def llava_onevision() -> tuple[Any, Any]:
    words = tokenizer(
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"), pad="<|endoftext|>", end="<|im_end|>"
    )
    marks = ids(words, bos_token_id="<|endoftext|>", eos_token_id="<|im_end|>", pad_token_id="<|endoftext|>")
    config = hf.LlavaOnevisionConfig(
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": len(words), **marks},
        vision_config={"model_type": "siglip_vision_model", **VISION, "vision_use_head": False},
        image_grid_pinpoints=GRID,
        **ids(words, image_token_index="<image>", video_token_index="<video>"),
    )
    size = {"height": 28, "width": 28}
    processor = hf.LlavaOnevisionProcessor(
        image_processor=hf.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=GRID),
        tokenizer=words,
        video_processor=hf.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=chatml(image="<image>\n", video="<video>\n"),
    )
    return hf.LlavaOnevisionForConditionalGeneration(config), processor


def pixtral() -> tuple[Any, Any]:
    """LLaVA's class with Pixtral's encoder, which takes images of any shape, a token a patch and one a row."""
    marks = ("[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]")
    words = vicuna_words(*marks)
    config = hf.LlavaConfig(
        text_config={**vicuna_text(words), "model_type": "mistral"},
        vision_config={"model_type": "pixtral", **VISION, "head_dim": 8},
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        **ids(words, image_token_index="[IMG]"),
    )
    processor = hf.PixtralProcessor(
        image_processor=hf.PixtralImageProcessor(size={"longest_edge": 56}, patch_size=14),
        tokenizer=words,
        patch_size=14,
        chat_template=template("[INST]", "[/INST]", "", {"image": "[IMG]"}, begin="<s>"),
    )
    return hf.LlavaForConditionalGeneration(config), processor
