"""What the tiny models of several families are made of: a tokenizer, sizes, chat markup, weights."""

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast

NUM_LAYERS, NUM_NEURONS, WIDTH = 2, 48, 32

#: Keywords of a LLaMA-like language model with grouped keys.
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": NUM_NEURONS,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
#: Keywords of a CLIP-like image encoder: 28 x 28 pixels in four patches.
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,  # of LLaVA the last one is not read
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
#: Rotary embedding in three sections, for models of the Qwen-VL kind with heads of 8.
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}


def tokenizer(special_tokens: Sequence[str], pad: str, end: str, begin: str = "", **named: str) -> Any:
    """One token a byte, and the special tokens; `begin` goes before every text, `named` become attributes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate([*special_tokens, *alphabet])}, []))
    backend.add_special_tokens(list(special_tokens))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if begin:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, backend.token_to_id(begin))]
        )
    marks = {"eos_token": end, "pad_token": pad, **({"bos_token": begin} if begin else {})}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **marks,
        additional_special_tokens=[token for token in special_tokens if token not in marks.values()],
        extra_special_tokens=named,
        padding_side="left",
        model_max_length=4096,
    )


def template(turn: str, end: str, reply: str, media: dict[str, str], begin: str = "") -> str:
    """Chat markup: every turn in its mark, media by their markup, then the mark of the reply."""
    parts = "".join(
        f"{{%- {'if' if i == 0 else 'elif'} part.type == '{kind}' -%}}{{{{ {markup!r} }}}}"
        for i, (kind, markup) in enumerate(media.items())
    )
    return (
        f"{{{{ {begin!r} }}}}{{%- for message in messages -%}}{{{{ {turn!r}.replace('ROLE', message.role) }}}}"
        f"{{%- for part in message.content -%}}{parts}{{%- else -%}}{{{{ part.text }}}}{{%- endif -%}}{{%- endfor -%}}"
        f"{{{{ {end!r} }}}}{{%- endfor -%}}{{%- if add_generation_prompt -%}}{{{{ {reply!r} }}}}{{%- endif -%}}"
    )


def chatml(**media: str) -> str:
    """The markup of Qwen and its relatives."""
    return template("<|im_start|>ROLE\n", "<|im_end|>\n", "<|im_start|>assistant\n", media)


def randomise(model: nn.Module) -> None:
    """Weights so wide that every neuron and every feature matters; some families start theirs at zero."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.3, generator=generator)


def ids(tokenizer: Any, **names: str) -> dict[str, int]:
    """Config keywords that name tokens, as ids."""
    return {key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()}
