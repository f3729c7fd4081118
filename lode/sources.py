"""What a step reads that the workflow has not made: a model folder, a table or a folder of one's own, by content.

Its digests are recorded with the config of the step, so they decide what runs again, a job that finds another content
than was planned refuses it, and `make verify` sees it. No time stamp decides.
"""

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import time_ns
from typing import Any

from lode.config import semantic_json
from lode.engine.paths import ROOT, is_local, user_path
from lode.engine.seal import file_sha256
from lode.engine.tables import replacing
from lode.model.manifest import files_of

#: Files from this size on are read once and then known by path, inode, size and both times of the file system.
LARGE = 2**20
#: Digests of large files, kept between processes where Snakemake keeps its own records; safe to delete.
KNOWN = ROOT / ".snakemake" / "lode_digests"
#: A file that changed so lately could change again without another time [ns].
YOUNG = 2 * 10**9


def recorded(cfg: Any, step: str) -> str:
    """What is recorded of a step: its config and, where it has any, its sources, as sorted JSON."""
    return with_sources(semantic_json(cfg, step), sources(cfg, step))


def with_sources(semantic: str, found: dict[str, str]) -> str:
    """The config of a step as sorted JSON, with the digests of its sources."""
    return json.dumps({**json.loads(semantic), "sources": found}, sort_keys=True) if found else semantic


def sources(cfg: Any, step: str) -> dict[str, str]:
    """The digest of everything that a step reads and the workflow has not made, by name.

    A planted model is made by the workflow, so it is not a source. What lies on the hub is pinned by its revision.
    """
    if step == "download" and is_local(cfg.model.source) and cfg.model.name not in cfg.plantings:
        return {name: content_digest(path) for name, path in model_files(cfg.model.source).items()}
    if step == "prepare":
        places = {option: place(value) for option, value in cfg.dataset.options.items()}
        return {option: tree_digest(path) for option, path in places.items() if path}
    return {}


def model_files(source: str) -> dict[str, Path]:
    """The files of a model folder, and those in its folders that loading may read, by path from there."""
    return files_of(user_path(source).resolve())


def place(value: object) -> Path | None:
    """The file or folder that an option of a dataset names; None where it names something else."""
    if not isinstance(value, str) or not value.strip():
        return None
    path = user_path(value)
    return path if path.is_file() or path.is_dir() else None


def tree_digest(path: Path) -> str:
    """The digest of a file, or of all files of a folder with their names; of hidden ones there is no reader."""
    if path.is_file():
        return content_digest(path)
    return sha256("".join(f"{content_digest(file)} {name}\n" for name, file in tree(path)).encode()).hexdigest()


def tree(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of a folder and of those within it, with their names from there, in order."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_file() and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), file


def content_digest(path: Path) -> str:
    """The SHA-256 of a file; of a large one, it is read only when the file system says that it may have changed.

    The time at which an inode changed cannot be set back as the time of writing can (`cp -p`, `rsync -t`), and a file
    put in the place of another has another inode.
    """
    before = identity(path)
    note = KNOWN / sha256(before.encode()).hexdigest()
    if note.is_file():
        return note.read_text()
    digest = file_sha256(path)
    status = path.stat()
    old = time_ns() - max(status.st_ctime_ns, status.st_mtime_ns) > YOUNG
    if status.st_size >= LARGE and old and identity(path) == before and os.access(KNOWN.parent, os.W_OK):
        with replacing(note, sealed=False) as temporary:
            temporary.write_text(digest)
    return digest


def identity(path: Path) -> str:
    """Path, device, inode, size and both times of a file."""
    status = path.stat()
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return repr((str(path.resolve()), *numbers))
