"""Where things are that a user names: a path, or a name on the hub."""

from collections.abc import Sequence
from pathlib import Path

#: The project: what relative paths are relative to.
ROOT = Path(__file__).resolve().parents[2]


def user_path(path: str) -> Path:
    """A path as a user may write it: relative to the project, absolute, or from the home folder (`~`)."""
    return ROOT / Path(path).expanduser()


def is_local(source: str) -> bool:
    """Whether a model or dataset source is a folder; anything else is a hub id `owner/name`."""
    return source.startswith((".", "/", "~")) or source.count("/") != 1 or (ROOT / source).is_dir()


def paths_of(handed: str | Sequence[str] | None) -> list[str]:
    """The paths of one kind of file that a job was handed: one, several, or none."""
    if handed is None:
        return []
    return [handed] if isinstance(handed, str) else [str(path) for path in handed]
