"""Errors meant for the person who runs Lode: what is wrong, the value, what was expected, what to do."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

_FREE = "Nothing half-written was left; free some space, then run again"
_ALLOW = "Make the folder writable, then run again"
#: What to do about a file that cannot be written, by error number.
_UNWRITABLE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FREE),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _ALLOW),
}


class UserError(ValueError):
    """A mistake in a config, a model folder or a dataset; shown without a traceback."""


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Around whatever writes to a path: a full disk or a folder that may not be written to is the user's to fix.

    Raises:
        UserError: in place of the error of the system.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise UserError(f"{path} cannot be written: {os.strerror(error.errno)}. {_UNWRITABLE[error.errno]}") from error


def unknown_name(kind: str, value: object, known: Iterable[str], remedy: str = "") -> UserError:
    """The error for a name that is not in a closed list, with the nearest known names.

    Args:
        kind: what the name stands for, in words ("strategy", "dataset").
        value: the offending value.
        known: all names that would have been accepted.
        remedy: one more sentence on what to do, for instance the file to create.
    """
    names = sorted(known)
    near = get_close_matches(str(value), names, n=3, cutoff=0.5)
    guess = f" Did you mean {' or '.join(near)}?" if near else ""
    return UserError(f"unknown {kind} {str(value)!r}; expected one of {', '.join(names)}.{guess} {remedy}".strip())
