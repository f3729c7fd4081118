"""A small language model and its tokenizer as a GGUF file, written as llama.cpp writes them."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers
from gguf.quants import quantize
from tokenizers.pre_tokenizers import ByteLevel

from tests.families.parts import TEXT, randomise

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<empty_output>")
#: Words of two letters: with them it shows how a text was split before.
MERGES = ("Ġ Ġ", "1 2", "i n")
ARCH = "llama"


def vocabulary() -> list[str]:
    """Special tokens, a token a byte, and what the merges make."""
    return [*SPECIAL, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]


def language_model() -> Any:
    """A Llama of two layers with grouped keys and one matrix for words and head, of random weights."""
    torch.manual_seed(0)
    marks = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    facts = {**TEXT, "intermediate_size": 64, "tie_word_embeddings": True, "vocab_size": len(vocabulary()), **marks}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**facts))
    randomise(model)
    return model.eval()


def interleaved(weight: np.ndarray, num_heads: int) -> np.ndarray:
    """Rows of queries or keys in llama.cpp's order: of every head, those that rotate together lie side by side."""
    half = weight.shape[0] // num_heads // 2
    rows = [head * 2 * half + part * half + i for head in range(num_heads) for i in range(half) for part in range(2)]
    return weight[rows]


def write_gguf(
    path: Path, model: Any, split: str = "smollm", drop: str = "", quant: Any = gguf.GGMLQuantizationType.F32
) -> Path:
    """Write a model.

    Args:
        path: of the file.
        model: a Llama.
        split: what the file says of the first split of texts.
        drop: a tensor of it that is left out.
        quant: how matrices are packed.
    """
    config, writer = model.config, gguf.GGUFWriter(path, ARCH)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    add_tokenizer(writer, split)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name not in (drop, "lm_head.weight"):
            stem = names.get_name(name.removesuffix(".weight"))
            add_tensor(writer, f"{stem}.weight", in_order(name, tensor.numpy(), config), quant)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def in_order(name: str, weight: np.ndarray, config: Any) -> np.ndarray:
    """A tensor with its rows in the order of the file."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    return next((interleaved(weight, num) for part, num in heads.items() if part in name), weight)


def add_tensor(writer: Any, name: str, weight: np.ndarray, quant: Any) -> None:
    """A matrix, packed; a vector as it is."""
    packed = weight.ndim > 1 and quant != gguf.GGMLQuantizationType.F32
    writer.add_tensor(name, quantize(weight, quant) if packed else weight, raw_dtype=quant if packed else None)


def add_tokenizer(writer: Any, split: str) -> None:
    """A byte-level BPE."""
    kinds = [gguf.TokenType.CONTROL if word in SPECIAL else gguf.TokenType.NORMAL for word in vocabulary()]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(vocabulary())
    writer.add_token_types(kinds)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
