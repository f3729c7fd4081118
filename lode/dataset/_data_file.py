"""Data files beside the plug-ins, known by their content: code digests cover Python alone."""

from hashlib import sha256
from pathlib import Path

from lode.engine.errors import UserError


def data_text(path: Path, digest: str) -> str:
    """The text of a data file; whoever reads it holds its SHA-256, so that another file is other code.

    Raises:
        UserError: the file has another content.
    """
    content = path.read_bytes()
    if sha256(content).hexdigest() != digest:
        raise UserError(f"{path.name}: not the words of this version; put the file back, or note its SHA-256 as DIGEST")
    return content.decode()
