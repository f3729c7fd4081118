"""Tiny models of the Qwen families."""

from typing import Any

import transformers as hf

from tests.families.parts import MROPE, TEXT, WIDTH, chatml, ids, tokenizer

CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
VISUAL = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
MARKUP = {
    "image": "<|vision_start|><|image_pad|><|vision_end|>",
    "video": "<|vision_start|><|video_pad|><|vision_end|>",
}
AUDIBLE = ("<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")
QWEN_VISION = {"depth": 2, "num_heads": 2, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}


def text_config(words: Any, **more: Any) -> dict[str, Any]:
    marks = ids(words, bos_token_id="<|endoftext|>", eos_token_id="<|im_end|>", pad_token_id="<|endoftext|>")
    return {**TEXT, "vocab_size": len(words), **marks, **more}


def vl_words() -> Any:
    return tokenizer((*CHAT, *VISUAL), pad="<|endoftext|>", end="<|im_end|>")


def vl_ids(words: Any) -> dict[str, int]:
    return ids(
        words,
        image_token_id="<|image_pad|>",
        video_token_id="<|video_pad|>",
        vision_start_token_id="<|vision_start|>",
        vision_end_token_id="<|vision_end|>",
    )


def vl_processor(kind: Any, words: Any, video: Any, **sizes: Any) -> Any:
    return kind(
        image_processor=hf.Qwen2VLImageProcessor(**sizes),
        tokenizer=words,
        video_processor=video(cap_pixels_per_frame=False, **sizes),
        chat_template=chatml(**MARKUP),
    )


def qwen2_vl() -> tuple[Any, Any]:
    words = vl_words()
    config = hf.Qwen2VLConfig(
        text_config=text_config(words, rope_parameters=MROPE),
        vision_config={**QWEN_VISION, "embed_dim": 16, "mlp_ratio": 2, "hidden_size": WIDTH},
        **vl_ids(words),
    )
    model = hf.Qwen2VLForConditionalGeneration(config)
    return model, vl_processor(hf.Qwen2VLProcessor, words, hf.Qwen2VLVideoProcessor)


def qwen2_5_vl() -> tuple[Any, Any]:
    words = vl_words()
    sizes = {"hidden_size": 16, "intermediate_size": 24, "out_hidden_size": WIDTH}
    config = hf.Qwen2_5_VLConfig(
        text_config=text_config(words, rope_parameters=MROPE),
        vision_config={**QWEN_VISION, **sizes, "fullatt_block_indexes": [0]},
        **vl_ids(words),
    )
    model = hf.Qwen2_5_VLForConditionalGeneration(config)
    return model, vl_processor(hf.Qwen2_5_VLProcessor, words, hf.Qwen2VLVideoProcessor)


def qwen3_vl() -> tuple[Any, Any]:
    words = vl_words()
    sizes = {"hidden_size": 16, "intermediate_size": 24, "out_hidden_size": WIDTH, "num_position_embeddings": 16}
    config = hf.Qwen3VLConfig(
        text_config=text_config(words, rope_parameters=MROPE),
        vision_config={**QWEN_VISION, **sizes, "patch_size": 16, "deepstack_visual_indexes": [0]},
        **vl_ids(words),
    )
    model = hf.Qwen3VLForConditionalGeneration(config)
    return model, vl_processor(hf.Qwen3VLProcessor, words, hf.Qwen3VLVideoProcessor, patch_size=16)


def qwen2_audio() -> tuple[Any, Any]:
    words = tokenizer((*CHAT, *AUDIBLE), pad="<|endoftext|>", end="<|im_end|>")
    encoder = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 24}
    config = hf.Qwen2AudioConfig(
        text_config={**text_config(words), "model_type": "qwen2"},
        audio_config={**encoder, "num_mel_bins": 8, "max_source_positions": 100},
        **ids(words, audio_token_index="<|AUDIO|>"),
    )
    processor = hf.Qwen2AudioProcessor(
        feature_extractor=hf.WhisperFeatureExtractor(feature_size=8, chunk_length=2, return_attention_mask=True),
        tokenizer=words,
        chat_template=chatml(audio="Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\n"),
    )
    return hf.Qwen2AudioForConditionalGeneration(config), processor


def qwen2_5_omni() -> tuple[Any, Any]:
    """The whole model without its voice, as the hub has it; the YAML loads the thinker of it."""
    visual = ("<|vision_bos|>", "<|vision_eos|>", "<|IMAGE|>", "<|VIDEO|>")
    names = {
        "image_token": "<|IMAGE|>",
        "audio_token": "<|AUDIO|>",
        "video_token": "<|VIDEO|>",
        "vision_bos_token": "<|vision_bos|>",
        "vision_eos_token": "<|vision_eos|>",
        "audio_bos_token": "<|audio_bos|>",
        "audio_eos_token": "<|audio_eos|>",
    }
    words = tokenizer((*CHAT, *AUDIBLE, *visual), pad="<|endoftext|>", end="<|im_end|>", **names)
    seen = {"hidden_size": 16, "intermediate_size": 24, "out_hidden_size": WIDTH, "fullatt_block_indexes": [0]}
    heard = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 24}
    thinker = {
        "text_config": text_config(words, rope_parameters=MROPE),
        "vision_config": {**QWEN_VISION, **seen},
        "audio_config": {**heard, "num_mel_bins": 8, "n_window": 50, "output_dim": WIDTH, "max_source_positions": 100},
        **ids(words, audio_token_index="<|AUDIO|>", image_token_index="<|IMAGE|>", video_token_index="<|VIDEO|>"),
        **ids(words, audio_start_token_id="<|audio_bos|>", audio_end_token_id="<|audio_eos|>"),
        **ids(words, vision_start_token_id="<|vision_bos|>", vision_end_token_id="<|vision_eos|>"),
    }
    processor = hf.Qwen2_5OmniProcessor(
        image_processor=hf.Qwen2VLImageProcessor(),
        video_processor=hf.Qwen2VLVideoProcessor(cap_pixels_per_frame=False),
        feature_extractor=hf.WhisperFeatureExtractor(feature_size=8, chunk_length=2, return_attention_mask=True),
        tokenizer=words,
        chat_template=chatml(
            image="<|vision_bos|><|IMAGE|><|vision_eos|>",
            video="<|vision_bos|><|VIDEO|><|vision_eos|>",
            audio="<|audio_bos|><|AUDIO|><|audio_eos|>",
        ),
    )
    config = hf.Qwen2_5OmniConfig(thinker_config=thinker, enable_audio_output=False)
    return hf.Qwen2_5OmniForConditionalGeneration(config), processor
