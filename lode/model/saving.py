"""Write a trained model as a folder: whole, or what of it comes in no wheel."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

#: The weights of a model of which a part comes in a wheel.
OWN_WEIGHTS = "tower.safetensors"
#: The head of a language model, which lies beside it.
HEAD = "lm_head."


def save_model(model: Any, processor: Any, folder: Path, parts: Iterable[str] = ()) -> None:
    """Write weights, config, tokenizer and processor.

    Args:
        model: of transformers.
        processor: of the model.
        folder: that exists.
        parts: paths of modules that are language models of wheels. Neither their weights nor their words are written:
            what is written is the folder of a model in parts (`lode/model/parts.py`).
    """
    held = tuple(f"{path}." for path in parts)
    processor.save_pretrained(folder)
    if not held:
        model.save_pretrained(folder)
        (folder / "model.safetensors").chmod(0o644)
        return
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    state = model.state_dict()
    ours = {name: tensor.contiguous() for name, tensor in state.items() if not name.startswith((*held, HEAD))}
    save_file(ours, folder / OWN_WEIGHTS)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
