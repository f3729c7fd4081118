"""What is built around a language model that exists already and is not trained: SmolLM2's markup, and the first scale.

The language model keeps its tokenizer and its words. A medium takes the place of a token that is in the vocabulary and
in no text, so no row is added, and a prompt of text alone gives the logits of the language model alone, bit for bit.
"""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from lode.training.tokenizer import END, PAD, build_tokenizer

#: One of the tokens that SmolLM2's tokenizer holds for formats of its training data: it stands for a medium.
PLACE = "<empty_output>"

#: SmolLM2's markup of a chat, a medium in a line of its own before the text. That of text alone is
#: resources/models/smollm2/chat_template.jinja. The system turn that SmolLM2's own markup puts before a chat is left
#: out: it would be half of a short prompt.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' }}
{%- if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}{{ part.text if part.type == 'text' else '<empty_output>\\n' }}{%- endfor -%}
{%- endif -%}
{{ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}"""


def text_config(language_model: Any) -> dict[str, Any]:
    """The config of the language model as that of a part; unpacked, it is no longer quantised."""
    facts = language_model.config.to_dict()
    facts.pop("quantization_config", None)
    return facts


def put_in(model: Any, language_model: Any) -> None:
    """Give a model the weights of the language model; they take no part in training."""
    model.model.language_model.load_state_dict(language_model.base_model.state_dict(), assign=True)
    model.lm_head.load_state_dict(language_model.lm_head.state_dict(), assign=True)
    model.tie_weights()
    model.model.language_model.requires_grad_(False)
    model.lm_head.requires_grad_(False)
    ends = language_model.generation_config
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = ends.eos_token_id, ends.pad_token_id


def small_tokenizer(corpus: Iterable[str], recipe: Any) -> Any:
    """A tokenizer of `recipe.vocab_size` words with the markup of the large one, to teach a tower with."""
    return build_tokenizer(corpus, recipe.vocab_size, [PAD, "<|im_start|>", END, PLACE])


def small_language_model(tokenizer: Any, recipe: Any) -> LlamaForCausalLM:
    """A fresh language model of the tokenizer's words, to teach a tower through; `recipe.text` are keywords of its
    config."""
    text: Any = OmegaConf.to_container(recipe.text)
    config = LlamaConfig(
        **text,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


@torch.no_grad()
def scale(last: nn.Linear, rows: Float[Tensor, "... width"], words: Float[Tensor, "word width"]) -> None:
    """Scale the last map of a projector so that what it writes of noise is as large as words are.

    Args:
        last: the map; its bias becomes zero.
        rows: what it writes of noise.
        words: embeddings of the language model.
    """
    assert last.bias is not None
    last.weight.mul_(words.std() / (rows - last.bias).std())
    last.bias.zero_()
