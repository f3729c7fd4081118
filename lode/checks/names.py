"""Refuse names that are in no closed list, plug-ins without a file, options that a function does not take."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from lode.engine.errors import UserError, unknown_name
from lode.engine.paths import ROOT


def known_plugins(group: str) -> list[str]:
    """Names of the plug-ins of a group: the files in `lode/<group>/`; what starts with `_` belongs to the group."""
    return [path.stem for path in (ROOT / "lode" / group).glob("[!_]*.py")]


def check_name(kind: str, value: str, known: Any, remedy: str = "") -> None:
    """Refuse a name that is not in a closed list."""
    if value not in known:
        raise unknown_name(kind, value, known, remedy)


def check_plugin(group: str, name: str) -> None:
    """Refuse a plug-in without a file."""
    check_name(f"{group} plug-in", name, known_plugins(group), f"To add it, create lode/{group}/{name}.py.")


def check_positive(key: str, value: int) -> None:
    """Refuse a count below 1."""
    if value < 1:
        raise UserError(f"{key} = {value}: expected a whole number of at least 1")


def check_keywords(what: str, function: Callable[..., Any], options: Mapping[str, Any], given: int = 0) -> None:
    """Refuse options that a function does not take, or lack of one that it needs; `given` come from the workflow."""
    parameters = list(inspect.signature(function).parameters.values())[given:]
    for key in options:
        if key not in {parameter.name for parameter in parameters}:
            raise unknown_name(f"option of {what}", key, [p.name for p in parameters] or ["(none)"])
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in options:
            raise UserError(f"{what} needs the option {parameter.name!r}; set it in the YAML's `options`")
