"""Tiny models of families that hear (Qwen2-Audio is among the Qwen families)."""

from typing import Any

import transformers as hf

from tests.families.parts import TEXT, chatml, ids, tokenizer


def audio_flamingo_3() -> tuple[Any, Any]:
    """A Whisper-like encoder, pooled, before a Qwen2."""
    words = tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<sound>"), pad="<|endoftext|>", end="<|im_end|>")
    marks = ids(words, bos_token_id="<|endoftext|>", eos_token_id="<|im_end|>", pad_token_id="<|endoftext|>")
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = hf.AudioFlamingo3Config(
        text_config={**TEXT, "model_type": "qwen2", "vocab_size": len(words), **marks},
        audio_config={**small, "num_mel_bins": 8, "max_source_positions": 100},
        **ids(words, audio_token_id="<sound>"),
    )
    processor = hf.AudioFlamingo3Processor(
        feature_extractor=hf.WhisperFeatureExtractor(feature_size=8, chunk_length=2, return_attention_mask=True),
        tokenizer=words,
        chat_template=chatml(audio="<sound>"),
        max_audio_len=20,
    )
    return hf.AudioFlamingo3ForConditionalGeneration(config), processor
