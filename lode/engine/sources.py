"""What a step reads that no step has made: files and folders of the user, by content.

Its digests are recorded with the config of the step, so they decide what runs again, a job that finds another content
than was planned refuses it, and `make verify` sees it. No time stamp decides.
"""

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from time import time_ns

from lode.engine.paths import ROOT, user_path
from lode.engine.seal import file_sha256
from lode.engine.tables import replacing

#: Files from this size on are read once and then known by path, inode, size and both times of the file system.
LARGE = 2**20
#: Digests of large files, kept between processes where Snakemake keeps its own records; safe to delete.
KNOWN = ROOT / ".snakemake" / "lode_digests"
#: A file that changed so lately could change again without another time [ns].
YOUNG = 2 * 10**9


def digests(found: Mapping[str, Path]) -> dict[str, str]:
    """The digest of every source, by name."""
    return {name: tree_digest(path) for name, path in found.items()}


def at_hand(value: object) -> Path | None:
    """The file or folder that a value of a config names; None where it names something else."""
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
