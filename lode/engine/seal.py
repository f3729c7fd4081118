"""A seal: the SHA-256 of a file, written into the file itself, so that any later change of any byte shows.

The digest is that of the file with the digits of its seal all zero; so the writer puts a blank seal anywhere in the
file, and `seal` fills in the digits when the file is complete. It says nothing about whether the content is right.
"""

import re
from hashlib import file_digest, sha256
from mmap import ACCESS_READ, mmap
from os.path import relpath
from pathlib import Path

ZEROS = "0" * 64
#: What the writer of a file puts into it.
BLANK = f"lode-seal-{ZEROS}"
_SEAL = re.compile(rb"lode-seal-([0-9a-f]{64})")


def seal(path: Path) -> None:
    """Fill in the blank seal of a finished file."""
    places, _, digest = _look(path)
    assert len(places) == 1, f"{path}: {len(places)} seals; a file has one"
    with path.open("r+b") as file:
        file.seek(places[0])
        file.write(digest.encode())


def damage(path: Path) -> str:
    """What is wrong with a sealed file, in words; empty where it is as it was sealed."""
    if not path.stat().st_size:
        return "empty"
    places, written, digest = _look(path)
    if len(places) != 1:
        return "truncated or edited: its seal is gone"
    return "" if written == digest else "truncated or edited: its content is not what was written"


def file_sha256(path: Path) -> str:
    """The SHA-256 of a whole file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def beside(path: str | Path, *others: str | Path) -> dict[str, dict[str, str]]:
    """What a sealed file records of files that hold no seal and are made with it: name, from its folder, and digest."""
    return {"beside": {relpath(other, Path(path).parent): file_sha256(Path(other)) for other in others}}


def _look(path: Path) -> tuple[list[int], str, str]:
    """Where the digits of the seals start, those of the first, and what they should be."""
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        places = [match.start(1) for match in _SEAL.finditer(content)]
        if not places:
            return [], "", ""
        start, end = places[0], places[0] + len(ZEROS)
        with memoryview(content) as view, view[:start] as before, view[end:] as after:
            digest = sha256(before)
            digest.update(ZEROS.encode())
            digest.update(after)
        return places, content[start:end].decode(), digest.hexdigest()
