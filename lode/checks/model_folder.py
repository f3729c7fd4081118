"""Refuse a model folder that cannot be loaded as a whole, as far as its files tell; needs no torch.

What only the loaded objects tell (a tensor that lacks, a NaN, no pad token) is refused by `lode/model/opening.py`.
"""

import json
from collections.abc import Collection, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from lode.engine.errors import UserError
from lode.engine.paths import user_path

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
#: What a tokenizer is read from.
TOKENIZERS = ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken", "tekken.json")
#: What says how media are prepared.
PROCESSORS = ("processor_config.json", "preprocessor_config.json")
#: What holds the markup of a chat: files of their own, and files with a key `chat_template`.
TEMPLATES, TEMPLATE_HOLDERS = (
    ("chat_template.jinja", "chat_template.json"),
    ("processor_config.json", "tokenizer_config.json"),
)
_COPY = (
    "Copy it from the model that this one was made from: "
    "`AutoProcessor.from_pretrained('<that model>').save_pretrained('<this folder>')`"
)


def local_folder(source: str, takes_media: bool = True) -> Path:
    """The folder of a local model; arguments are those of `check_folder`.

    Raises:
        UserError: it is no folder, or one that `check_folder` refuses.
    """
    folder = user_path(source).resolve()
    if not folder.is_dir():
        raise UserError(f"model.source {source!r}: {folder} is not a folder, and a hub id has the form owner/name")
    check_folder(folder, f"model.source {source!r}", takes_media)
    return folder


def check_folder(folder: Path, what: str, takes_media: bool = True) -> None:
    """Refuse a folder that is not one whole, unquantised model with its tokenizer and processor.

    Args:
        folder: of the model.
        what: its name for messages.
        takes_media: whether it takes more than text, and so needs a processor.

    Raises:
        UserError: what it lacks, or has too much.
    """
    names = [path.name for path in folder.iterdir()]
    check_weight_names(names, what)
    check_shards(folder, what)
    refuse_quantised(read_json(folder / "config.json"), what)
    check_processor_names(names, what, takes_media)


def check_weight_names(names: Collection[str], what: str) -> None:
    """Refuse, by the names of its files, a folder without a config, without weights, or with an adapter's.

    Raises:
        UserError: what it lacks, or has too much.
    """
    held = ", ".join(sorted(names)) or "nothing"
    adapters = sorted(name for name in names if name in ("adapter_config.json", "adapter_model.safetensors"))
    if adapters:
        raise UserError(
            f"{what}: it holds {', '.join(adapters)}, an adapter (PEFT), which changes another model; expected one "
            "whole model. Merge it: `PeftModel.from_pretrained(base, folder).merge_and_unload().save_pretrained(...)`"
        )
    if "config.json" not in names:
        raise UserError(f"{what}: no config.json; expected a Hugging Face model folder. It holds {held}")
    if not any(fnmatch(name, "*.safetensors") and "/" not in name for name in names):
        raise UserError(
            f"{what}: no weights (*.safetensors) at its top; it holds {held}. Pickled weights (.bin) are never loaded: "
            "take a revision or a conversion with safetensors, or convert them with "
            "`save_pretrained(..., safe_serialization=True)`"
        )
    if WEIGHTS not in names and INDEX not in names:
        raise UserError(
            f"{what}: neither {WEIGHTS} nor {INDEX}, which says what is in which shard; it holds {held}. Fetch the "
            "index too, or save the model anew with `save_pretrained`"
        )


def check_processor_names(names: Collection[str], what: str, takes_media: bool = True) -> None:
    """Refuse, by the names of its files, a folder without a tokenizer or, where the model takes media, a processor.

    Raises:
        UserError: what it lacks.
    """
    for part, patterns in (("tokenizer", TOKENIZERS), *((("processor", PROCESSORS),) if takes_media else ())):
        if not any(fnmatch(name, pattern) for name in names for pattern in patterns):
            raise UserError(f"{what}: no {part}; expected one of {', '.join(patterns)} in the folder. {_COPY}")


def check_shards(folder: Path, what: str) -> None:
    """Refuse weights that are not whole: every shard that the index names must be there, every file of full length.

    Raises:
        UserError: names the file.
    """
    for file in sorted(folder.glob("*.safetensors")):
        check_weights(file)
    if (folder / WEIGHTS).exists():  # it is what is loaded, whatever an index says
        return
    index = read_json(folder / INDEX).get("weight_map")
    if not isinstance(index, Mapping) or not index:
        raise UserError(f"{what}: {INDEX} holds no weight_map; expected the shard of every tensor. Fetch it again")
    missing = sorted({str(name) for name in index.values() if not (folder / str(name)).is_file()})
    if missing:
        raise UserError(
            f"{what}: {INDEX} names {', '.join(missing)}, which the folder lacks: {len(missing)} of "
            f"{len(set(index.values()))} shards. Fetch them again"
        )


def check_weights(file: Path) -> None:
    """Refuse a safetensors file whose length is not what its header promises: a Git LFS pointer, a broken download."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(8)
        length = int.from_bytes(start, "little")
        header = opened.read(length) if len(start) == 8 and length <= size else b""
    try:
        tensors = json.loads(header)
        promised = (
            8 + length + max((t["data_offsets"][1] for k, t in tensors.items() if k != "__metadata__"), default=0)
        )
    except (ValueError, AttributeError, KeyError, TypeError):
        promised = None
    if promised != size:
        what = "no safetensors header" if promised is None else f"{size} bytes, and its header promises {promised}"
        raise UserError(
            f"{file}: {what}; expected complete weights. A Git LFS pointer or a broken download? Fetch it again"
        )


def refuse_quantised(config: Mapping[str, Any], what: str) -> None:
    """Refuse packed weights: neurons are columns of plain ones.

    Raises:
        UserError: names the method.
    """
    for part in (config, *config.values()):
        quantised = part.get("quantization_config") if isinstance(part, Mapping) else None
        if quantised:
            method = quantised.get("quant_method", "unnamed") if isinstance(quantised, Mapping) else quantised
            raise UserError(
                f"{what}: config.json has a quantization_config (method {method}): its weights are packed, and neurons "
                "are columns of plain ones; expected float32, bfloat16 or float16. Take the model it was made from, "
                "or `dequantize()` it and save that"
            )


def check_chat_template(folder: Path, what: str, chat_template: str | None) -> None:
    """Refuse a folder that holds no markup of a chat where the YAML gives none.

    Raises:
        UserError: where it could stand.
    """
    if chat_template is not None or any((folder / name).is_file() for name in TEMPLATES):
        return
    holders = [folder / name for name in TEMPLATE_HOLDERS if (folder / name).is_file()]
    if not any(read_json(path).get("chat_template") for path in holders):
        raise no_chat_template(what)


def no_chat_template(what: str) -> UserError:
    """The error for a model without the markup of a chat."""
    return UserError(
        f"{what}: no chat template, so prompts cannot be written as the model learned them; expected "
        f"{' or '.join(TEMPLATES)} in the folder, or `chat_template` (Jinja) in the model's YAML. {_COPY}"
    )


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object of a model folder.

    Raises:
        UserError: the file holds none.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file}: no JSON ({error}); expected that of a model folder. Fetch it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{file}: holds {type(content).__name__}; expected a JSON object. Fetch it again")
    return content
