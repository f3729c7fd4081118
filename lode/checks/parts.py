"""Refuse a model in parts that cannot be put together, as far as its folder and YAML tell; no torch, no index."""

from pathlib import Path, PurePosixPath
from typing import Any

from lode.checks.model_folder import INDEX, PROCESSORS, WEIGHTS, check_chat_template
from lode.engine.errors import UserError
from lode.hub.wheels import wheel_of
from lode.model.parts import own_folder


def check_parts(model: Any) -> None:
    """Refuse a folder that is none or holds whole weights, and parts that no wheel is.

    Args:
        model: the `model` section, with `parts`.

    Raises:
        UserError: what is wrong with the folder, or with a part.
    """
    folder, what = own_folder(model), f"model.source {model.source!r}"
    if not folder.is_dir():
        raise UserError(
            f"{what}: {folder} is not a folder; a model with model.parts has one for what is in no wheel: its chat "
            "template, its processor, weights beside the parts"
        )
    check_own_weights(folder, what)
    if model.media_tokens and not any((folder / name).is_file() for name in PROCESSORS):
        raise UserError(
            f"{what}: the model takes {', '.join(model.media_tokens)}, and no processor is in the folder; expected one "
            f"of {', '.join(PROCESSORS)}, which no wheel holds"
        )
    check_chat_template(folder, what, model.chat_template)
    for path, part in model.parts.items():
        check_part(f"model.parts.{path}", part)


def check_own_weights(folder: Path, what: str) -> None:
    """Refuse a folder with the weights of a whole model, beside which a part has no place."""
    whole = [name for name in (WEIGHTS, INDEX) if (folder / name).is_file()]
    if whole:
        raise UserError(
            f"{what}: it holds {', '.join(whole)}, the weights of a whole model, and model.parts names weights too. "
            "Set model.parts=null, or name the file of what is no part otherwise (tower.safetensors)"
        )


def check_part(what: str, part: Any) -> None:
    """Refuse what is no GGUF file within a wheel.

    Raises:
        UserError: that of `wheel_of`, or the file is no path of one.
    """
    wheel_of(part.source, part.sha256)
    path = PurePosixPath(part.file)
    if path.suffix != ".gguf" or path.is_absolute() or ".." in path.parts:
        raise UserError(
            f"{what}.file = {part.file!r}: expected the path of a GGUF file within the wheel: package/model.gguf"
        )
