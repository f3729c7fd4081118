"""A model in parts: a folder that holds what is ours, and weights that come in wheels. No torch here.

`lode/model/assembling.py` makes an ordinary model folder of them, in `<HF_HOME>/lode/models`. Its name says what it is
made of: the files of the folder, the wheels, and the versions of what unpacks them. Beside it lie the digests of its
files, so that one that was damaged is made again.
"""

import json
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from huggingface_hub.constants import HF_HOME

from lode.engine.errors import UserError
from lode.engine.paths import user_path
from lode.engine.seal import file_sha256
from lode.hub.wheels import Wheel, wheel_of
from lode.model.manifest import files_of, is_loaded

#: The layout of the folder; another one is another folder.
LAYOUT = 1
#: By what the files of a wheel are read and a model folder is written.
UNPACKERS = ("transformers", "gguf")


def model_cache() -> Path:
    """The folder that keeps assembled models."""
    return Path(HF_HOME).expanduser() / "lode" / "models"


#: The parts that are the language model: of a model that is nothing else, and of one that takes media.
LANGUAGE_MODELS = ("model", "model.language_model")


def own_folder(config: Any) -> Path:
    """The folder of a model in parts, which holds what is in no wheel."""
    return user_path(config.source).resolve()


def own_files(config: Any) -> dict[str, Path]:
    """Its files that loading may read, by path from there."""
    return {name: path for name, path in files_of(own_folder(config)).items() if is_loaded(name)}


def wheels_of(config: Any) -> dict[str, Wheel]:
    """The wheel of every part, by the path of the module that it is.

    Raises:
        UserError: a source of another form.
    """
    return {path: wheel_of(part.source, part.sha256) for path, part in sorted(config.parts.items())}


def made_of(config: Any) -> dict[str, Any]:
    """What a model in parts is made of, as its manifest records it.

    Raises:
        UserError: a package that unpacks is not installed.
    """
    files = [{"name": name, "sha256": file_sha256(path)} for name, path in own_files(config).items()]
    parts = [
        {"part": path, "source": part.source, "file": part.file, "sha256": part.sha256}
        for path, part in sorted(config.parts.items())
    ]
    return {"folder": {"source": config.source, "files": files}, "wheels": parts, "unpacked_by": unpackers()}


def unpackers() -> dict[str, str]:
    """The versions of what unpacks.

    Raises:
        UserError: one is not installed.
    """
    try:
        return {name: version(name) for name in UNPACKERS}
    except PackageNotFoundError as error:
        raise UserError(
            f"the package {error.name} is not installed, by which weights in a wheel are read; expected one of the "
            "versions in pyproject.toml. `pip install gguf`"
        ) from error


def assembled_folder(config: Any) -> Path:
    """Where the assembled model lies, or will."""
    made = made_of(config)
    content = {**made, "folder": made["folder"]["files"], "layout": LAYOUT}
    digest = sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return model_cache() / f"{config.name}-{digest[:16]}"
