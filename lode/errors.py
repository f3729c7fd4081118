"""Errors meant for the person who runs Lode: what is wrong, the value, what was expected, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """A mistake in a config, a model folder or a dataset; shown without a traceback."""


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
