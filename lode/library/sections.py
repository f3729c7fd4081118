"""Sections of the config for a notebook: a choice of the config tree, and overrides as on the command line."""

from collections.abc import Sequence
from typing import Any

from lode.engine.errors import UserError
from lode.engine.recorded import section_of
from lode.study import compose


def choose(group: str, name: str, overrides: Sequence[str], further: Sequence[str] = ()) -> Any:
    """The config in which a group is chosen.

    Args:
        group: of the config tree, and its section.
        name: a YAML of the group.
        overrides: Hydra's, as on the command line: `model.dtype=bfloat16`.
        further: other sections that they may change.

    Raises:
        UserError: no such YAML, or an override that does not compose or would change nothing here.
    """
    for override in overrides:
        if section_of(override) not in (group, *further) or override.startswith(f"{group}="):
            allowed = " or ".join(f"{section}." for section in (group, *further))
            raise UserError(f"override {override!r}: expected one that starts with {allowed}")
    return compose([f"{group}={name}", *overrides])
