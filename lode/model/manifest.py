"""Which files a model is loaded from: described once by `download_model`, compared by every job that loads them.

Content alone decides: every job digests what it is about to load, several files at once. That costs no more than
reading the weights, which the job does next, from the memory in which the system has kept them; no time stamp, size or
cache of digests stands for the content.
"""

import json
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from lode.engine.errors import UserError
from lode.engine.paths import ROOT
from lode.engine.seal import file_sha256

#: What a model is loaded from. Weights and code in its folders are other formats; tokenizers in them belong to it.
LOADED = ("*.json", "*.jinja", "*.txt", "*.model", "*.py", "*.safetensors")
NOT_LOADED = ("*/*.safetensors", "*/*.py")
SHA256 = re.compile("[0-9a-f]{64}")


def is_loaded(name: str) -> bool:
    """Whether a file of a model folder, by its path from there, is one that loading may read."""
    return any(fnmatch(name, p) for p in LOADED) and not any(fnmatch(name, p) for p in NOT_LOADED)


def files_of(folder: Path) -> dict[str, Path]:
    """The files at the top of a model folder, and those in its folders that loading may read, by path from there."""
    top = {path.name: path for path in folder.iterdir() if path.is_file()}
    below = {f"{path.parent.name}/{path.name}": path for path in folder.glob("*/*") if path.is_file()}
    return dict(sorted((top | {name: path for name, path in below.items() if is_loaded(name)}).items()))


def describe(folder: Path, stated: bool = False) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of every file of a model folder.

    Args:
        folder: of the model.
        stated: whether it is a snapshot of the hub's cache, which links a large (LFS) file to a blob named by its
            SHA-256. That of the hub is then taken, and compared when the file is loaded.
    """
    files = []
    for name, path in files_of(folder).items():
        blob = path.resolve().name
        sha256 = blob if stated and path.is_symlink() and SHA256.fullmatch(blob) else file_sha256(path)
        files.append({"name": name, "size": path.stat().st_size, "sha256": sha256})
    return files


def recorded_folder(manifest: str | Path, threads: int) -> Path:
    """The folder that a manifest names, if what would be loaded from it is what the manifest records.

    Args:
        manifest: written by `download_model`.
        threads: how many files are read at once.

    Raises:
        UserError: names the files that are other ones, gone, or new.
    """
    facts = json.loads(Path(manifest).read_text())
    folder = ROOT / facts["folder"]
    recorded = {file["name"]: file["sha256"] for file in facts["files"] if is_loaded(file["name"])}
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; {manifest} records a model there. Put it back, or {_AGAIN}")
    held = {name: path for name, path in files_of(folder).items() if is_loaded(name)}
    both = sorted(set(recorded) & set(held))
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        digests = dict(zip(both, pool.map(file_sha256, (held[name] for name in both)), strict=True))
    wrong = [
        *(f"{name} has another content" for name in both if digests[name] != recorded[name]),
        *(f"{name} is gone" for name in sorted(set(recorded) - set(held))),
        *(f"{name} is new" for name in sorted(set(held) - set(recorded))),
    ]
    if wrong:
        raise changed(folder, manifest, wrong)
    return folder


_AGAIN = "make all results from what is there now: `snakemake --forcerun download_model`"


def changed(folder: Path, manifest: str | Path, wrong: Iterable[str]) -> UserError:
    """The error for a folder that is not the recorded one."""
    return UserError(
        f"{folder} is not the model that {manifest} records: {', '.join(wrong)}; results of two models would be mixed. "
        f"Put the recorded files back, or {_AGAIN}"
    )
