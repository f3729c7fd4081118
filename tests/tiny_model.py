"""A Qwen2-VL of a few thousand random parameters in a folder of its own, and records to show it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from PIL import Image

from lode.media import encode_image
from lode.model.adapter import Adapter
from lode.model.loading import load
from lode.model.manifest import describe
from lode.study import compose
from lode.training.tiny_qwen2_vl import SPECIAL_TOKENS, build_model, build_processor

NUM_LAYERS, NUM_NEURONS = 3, 48
TEXT = {
    "hidden_size": 32,
    "intermediate_size": NUM_NEURONS,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "initializer_range": 0.3,  # wide, so that every neuron matters
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]},
}
VISION = {
    "depth": 1,
    "embed_dim": 16,
    "num_heads": 2,
    "mlp_ratio": 2,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "initializer_range": 0.3,
}
LETTERS = "abcdefgh"


def build_folder(folder: Path) -> Path:
    """Save the model and its manifest; return the manifest.

    The tokenizer has one token a byte, and the head speaks a few letters and the end token, so that replies are short
    texts that read back as the same tokens.
    """
    recipe = OmegaConf.create(
        {
            "vocab_size": 256 + len(SPECIAL_TOKENS),
            "pixels": {"min": 3136, "max": 12544},
            "text": TEXT,
            "vision": VISION,
        }
    )
    processor = build_processor(["a"], recipe)
    torch.manual_seed(0)
    model = build_model(processor, recipe)
    spoken = processor.tokenizer.convert_tokens_to_ids([*LETTERS, "<|im_end|>"])
    silent = torch.ones(len(processor.tokenizer), dtype=torch.bool)
    silent[spoken] = False
    model.lm_head.weight.data[silent] = 0
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return write_manifest(folder, folder.parent / f"{folder.name}.json")


#: What a dataset table records of its making, as far as an ablation reads it.
PREPARED = {"config": {"dataset": {"plugin": "local_table"}, "split_seed": 2024}}


def write_manifest(folder: Path, manifest: Path) -> Path:
    """The manifest of a model folder, as `download_model` writes it."""
    manifest.write_text(
        json.dumps({"folder": str(folder), "revision": None, "files": describe(folder), "trained_on": None})
    )
    return manifest


def model_config(*overrides: str) -> Any:
    """The facts of the bundled tiny model, which hold for this one too."""
    return compose(["model=tiny_qwen2_vl", *overrides]).model


def load_tiny(manifest: Path, *overrides: str) -> Adapter:
    """Load it as a stage does, on one thread."""
    return load(model_config(*overrides), manifest, "cpu", 1)


def record(name: str, prompt: str, image: int | None = None, answer: str = "ab") -> dict[str, Any]:
    """A row of a dataset table; `image` seeds 84 x 84 pixels of noise."""
    media = []
    if image is not None:
        noise = np.random.default_rng(image).integers(0, 255, (84, 84, 3), dtype=np.uint8)
        medium = encode_image(Image.fromarray(noise))
        media = [{"kind": medium.kind, "bytes": medium.bytes, "mime": medium.mime}]
    texts = {"prompt": prompt, "answers": [answer], "choices": [], "answer_index": -1}
    return {"sample_id": name, "cluster_id": f"c-{name}", "media": media, **texts}


#: With and without an image, of different lengths.
RECORDS = [
    record("a", "what is this?", image=1),
    record("b", "one and one is", answer="c"),
    record("c", "which word does the sign show?", image=2, answer="defgh"),
    record("d", "no"),
    record("e", "what?", image=3, answer="hgf"),
    record("f", "a longer question with many more words than the others have", answer="a"),
    record("g", "and this?", image=1, answer="bad"),
]
