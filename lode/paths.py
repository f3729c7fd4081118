"""Where things are that a user names: a path, or a name on the hub."""

from pathlib import Path

from lode.config import ROOT


def user_path(path: str) -> Path:
    """A path as a user may write it: relative to the project, absolute, or from the home folder (`~`)."""
    return ROOT / Path(path).expanduser()


def is_local(source: str) -> bool:
    """Whether a model or dataset source is a folder; anything else is a hub id `owner/name`."""
    return source.startswith((".", "/", "~")) or source.count("/") != 1 or (ROOT / source).is_dir()
