"""A Qwen2-Audio of a few million parameters: the real classes, our own sizes and tokenizer.

Architecture: Chu et al., Qwen2-Audio (arXiv 2407.10759), as implemented in `transformers`. The tokenizer has Qwen's
special tokens and chat markup.
"""

from collections.abc import Iterable
from typing import Any

from omegaconf import OmegaConf
from transformers import (
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

from lode.training.tokenizer import END, PAD, build_tokenizer

SPECIAL_TOKENS = (PAD, "<|im_start|>", END, "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>")

#: Qwen2-Audio's chat markup: a default system turn, sounds as "Audio 1: audio_bos AUDIO audio_eos".
CHAT_TEMPLATE = """\
{%- set audio = namespace(count=0) -%}
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
{%- if part.type == 'audio' -%}
{%- set audio.count = audio.count + 1 -%}
Audio {{ audio.count }}: <|audio_bos|><|AUDIO|><|audio_eos|>
{% elif part.type == 'text' -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}"""


def build_processor(corpus: Iterable[str], recipe: Any) -> Qwen2AudioProcessor:
    """The processor; `recipe.audio` holds the number of mel bins and the longest sound in seconds."""
    return Qwen2AudioProcessor(
        feature_extractor=WhisperFeatureExtractor(
            feature_size=recipe.audio.num_mel_bins, chunk_length=recipe.audio.seconds, return_attention_mask=True
        ),
        tokenizer=build_tokenizer(corpus, recipe.vocab_size, SPECIAL_TOKENS),
        chat_template=CHAT_TEMPLATE,
    )


def build_model(processor: Qwen2AudioProcessor, recipe: Any) -> Qwen2AudioForConditionalGeneration:
    """A freshly initialised model; `recipe.text` and `recipe.encoder` are keywords of the two config classes."""
    ids = processor.tokenizer.convert_tokens_to_ids
    sizes: Any = OmegaConf.to_container(recipe)
    config = Qwen2AudioConfig(
        text_config={
            **sizes["text"],
            "model_type": "qwen2",
            "vocab_size": len(processor.tokenizer),
            "bos_token_id": ids(PAD),
            "eos_token_id": ids(END),
            "pad_token_id": ids(PAD),
        },
        audio_config={
            **sizes["encoder"],
            "num_mel_bins": recipe.audio.num_mel_bins,
            "max_source_positions": recipe.audio.seconds * 50,
        },
        audio_token_index=ids("<|AUDIO|>"),
    )
    model = Qwen2AudioForConditionalGeneration(config)
    model.generation_config.pad_token_id = ids(PAD)
    model.generation_config.eos_token_id = ids(END)
    return model
