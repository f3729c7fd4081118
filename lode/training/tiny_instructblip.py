"""An InstructBLIP of a few million parameters: the real classes, our own sizes and tokenizers.

Architecture: Dai et al., InstructBLIP (arXiv 2305.06500), as implemented in `transformers`: a ViT sees the picture, a
Q-Former of a few queries reads it in the light of the prompt, for which it has a tokenizer of its own, and a Llama
reads what the queries hold before the words. Only the queries go on: the text branch of the Q-Former's last layer can
change nothing. The prompt is "Question: ... Short answer:", as in the paper.
"""

from collections.abc import Iterable
from typing import Any

from omegaconf import OmegaConf
from transformers import (
    BlipImageProcessor,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    PreTrainedTokenizerFast,
)

from lode.training.tokenizer import begin_with, build_tokenizer

PAD, BEGIN, END, IMAGE = "<pad>", "<s>", "</s>", "<image>"
SPECIAL_TOKENS = (PAD, BEGIN, END, IMAGE)
#: Of the Q-Former's tokenizer; the padding is token 0.
QFORMER_TOKENS = ("[PAD]", "[CLS]", "[SEP]")

#: The words of the prompt alone: the processor puts the queries before them, and the tokenizer `<s>`.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{%- for part in message.content if part.type == 'text' -%}
{{ 'Question: ' + part.text + ' Short answer:' }}
{%- endfor -%}
{%- endfor -%}"""


def build_qformer_tokenizer(corpus: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """The Q-Former's own: every text stands between `[CLS]` and `[SEP]`, padded at its end."""
    pad, begin, end = QFORMER_TOKENS
    tokenizer = build_tokenizer(corpus, vocab_size, QFORMER_TOKENS, pad, end)
    begin_with(tokenizer, begin, end)
    tokenizer.padding_side = "right"
    return tokenizer


def build_processor(corpus: Iterable[str], recipe: Any) -> InstructBlipProcessor:
    """The processor; `recipe.vision.image_size` is the side of a picture, `recipe.num_queries` are its tokens."""
    texts, side = list(corpus), recipe.vision.image_size
    tokenizer = build_tokenizer(texts, recipe.vocab_size, SPECIAL_TOKENS, PAD, END)
    tokenizer.bos_token = BEGIN
    begin_with(tokenizer, BEGIN)
    processor = InstructBlipProcessor(
        image_processor=BlipImageProcessor(size={"height": side, "width": side}),
        tokenizer=tokenizer,
        qformer_tokenizer=build_qformer_tokenizer(texts, recipe.vocab_size),
        num_query_tokens=recipe.num_queries,
    )
    processor.chat_template = CHAT_TEMPLATE  # its class takes none
    return processor


def build_model(processor: InstructBlipProcessor, recipe: Any) -> InstructBlipForConditionalGeneration:
    """A freshly initialised model; `text`, `vision` and `qformer` of the recipe are keywords of the config classes.

    The queries start at random, as in the paper's code: `transformers` starts them at 0, where all would stay alike.
    """
    ids = processor.tokenizer.convert_tokens_to_ids
    asked = processor.qformer_tokenizer  # type: ignore[attr-defined]  # set by name, of what it is given
    sizes: Any = OmegaConf.to_container(recipe)
    config = InstructBlipConfig(
        text_config={
            **sizes["text"],
            "model_type": "llama",
            "vocab_size": len(processor.tokenizer),
            "bos_token_id": ids(BEGIN),
            "eos_token_id": ids(END),
            "pad_token_id": ids(PAD),
        },
        vision_config=sizes["vision"],
        qformer_config={**sizes["qformer"], "vocab_size": len(asked), "pad_token_id": 0},
        num_query_tokens=recipe.num_queries,
        image_token_index=ids(IMAGE),
        initializer_range=recipe.qformer.initializer_range,
    )
    config.tie_word_embeddings = bool(recipe.text.tie_word_embeddings)
    model = InstructBlipForConditionalGeneration(config)
    model.query_tokens.data.normal_(0, recipe.qformer.initializer_range)
    model.generation_config.pad_token_id = ids(PAD)
    model.generation_config.eos_token_id = ids(END)
    return model
