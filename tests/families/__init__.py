"""Every family of models that Lode has a YAML for, as a tiny random model of the family's own classes.

A builder returns a model and its processor; the facts about them are those of `config/model/<name>.yaml`, so that a
wrong path in a YAML fails here. A new YAML needs an entry in `BUILDERS`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from lode.model.adapter import Adapter
from lode.model.loading import load
from lode.study import compose
from tests.families import llava, qwen, sound, vision
from tests.families.parts import randomise
from tests.tiny_model import write_manifest

#: Builder of each hub model.
BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "audio_flamingo_3": sound.audio_flamingo_3,
    "gemma3_4b": vision.gemma3,
    "idefics3_8b": vision.idefics3,
    "instructblip_vicuna_7b": vision.instructblip,
    "internvl3_8b": vision.internvl,
    "llava_1_5_7b": llava.llava,
    "llava_next_vicuna_7b": llava.llava_next,
    "llava_onevision_7b": llava.llava_onevision,
    "pixtral_12b": llava.pixtral,
    "qwen2_5_omni_7b": qwen.qwen2_5_omni,
    "qwen2_5_vl_7b": qwen.qwen2_5_vl,
    "qwen2_audio_7b": qwen.qwen2_audio,
    "qwen2_vl_2b": qwen.qwen2_vl,
    "qwen2_vl_7b": qwen.qwen2_vl,
    "qwen3_vl_8b": qwen.qwen3_vl,
}


def save(name: str, folder: Path) -> Path:
    """Build a family's tiny model in a folder; return its manifest."""
    logging.disable_progress_bar()
    torch.manual_seed(0)
    model, processor = BUILDERS[name]()
    randomise(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return write_manifest(folder, folder.parent / f"{folder.name}.json")


def load_family(name: str, manifest: Path, *overrides: str) -> Adapter:
    """Load it by the facts of the hub model."""
    return load(compose([f"model={name}", *overrides]).model, manifest, "cpu", 1)
