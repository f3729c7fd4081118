"""A Qwen2-VL with language layers of a chosen size and random weights, and samples of a chosen length to show it.

Only the sizes of the language model are real, and of the vision tower where that is asked for: the tokenizer is the
embedded model's, so the vocabulary is small, and the vision tower is narrow. What is compared runs on the same model,
so that these cost all sides the same.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from PIL import Image
from transformers import AutoProcessor

from lode.engine.paths import ROOT
from lode.media import encode_image
from lode.model.adapter import Adapter, find_parts
from lode.study import compose
from lode.training.tiny_qwen2_vl import build_model

#: Sizes of the language models of Qwen2-VL, and of one to try a benchmark with.
SIZES = {
    "tiny": {
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    },
    "2b": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
    },
    "7b": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    },
}
_ROPE = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
_VISION = {"depth": 1, "embed_dim": 64, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14}
_REAL_VISION = {"embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4, "patch_size": 14}
_PIXELS = 28 * 28  # of one image token


def build(size: str, num_layers: int, device: str, dtype: str, real_tower: bool = False) -> Adapter:
    """The model, in evaluation mode on its device.

    Args:
        size: a key of `SIZES`.
        num_layers: of the language model; 0 for as many as the real one has.
        device: a torch device.
        dtype: number format of the weights.
        real_tower: whether the vision tower is as wide as the real one, and as deep beside the language model.
    """
    text = {**SIZES[size], "max_position_embeddings": 8192, "tie_word_embeddings": False, "rope_parameters": _ROPE}
    if num_layers:
        text["num_hidden_layers"] = num_layers
    tower = _REAL_VISION if real_tower else _VISION
    if real_tower:
        tower = {**tower, "depth": max(1, round(32 * text["num_hidden_layers"] / 28))}
    sizes = {"text": text, "vision": {**tower, "spatial_merge_size": 2, "temporal_patch_size": 2}}
    processor = AutoProcessor.from_pretrained(ROOT / "resources/models/tiny_qwen2_vl")
    processor.tokenizer.padding_side = "left"
    torch.manual_seed(0)
    torch.set_default_dtype(getattr(torch, dtype))
    with torch.device(device):
        model = build_model(processor, OmegaConf.create(sizes))
    torch.set_default_dtype(torch.float32)
    model.eval().requires_grad_(False)
    model.generation_config.do_sample = False
    pixels = f"+model.processor.images_kwargs={{size:{{shortest_edge:{_PIXELS},longest_edge:{4096 * _PIXELS}}}}}"
    return find_parts(compose(["model=tiny_qwen2_vl", pixels]).model, model.to(device), processor)


def records(num_tokens: list[int]) -> list[dict[str, Any]]:
    """Samples with an image of noise and a short question, of about these numbers of prompt tokens."""
    rng = np.random.default_rng(0)
    found = []
    for index, count in enumerate(num_tokens):
        height = max(1, int(np.sqrt(count)) - 1)
        width = max(1, (count - 40) // height)
        noise = rng.integers(0, 255, (28 * height, 28 * width, 3), dtype=np.uint8)
        media = [vars(encode_image(Image.fromarray(noise)))]
        texts = {"prompt": "which word does the sign show?", "answers": ["ab"], "choices": [], "answer_index": -1}
        found.append({"sample_id": str(index), "cluster_id": str(index), "split": "mine", "media": media, **texts})
    return found


def timed(device: str, work: Callable[[], None]) -> float:
    """Seconds that work takes, all that a GPU was given among it."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start
