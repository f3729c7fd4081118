"""What a user changes for one run, on the command line: it may not make a name stand for something else."""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256

from lode.engine.errors import UserError
from lode.engine.recorded import EXPERIMENT, section_of
from lode.engine.study import Study

LONGEST = 40


def check_overrides(study: Study, overrides: object) -> tuple[str, ...]:
    """The overrides of a run.

    Raises:
        UserError: they are no list of Hydra overrides, or one of them chooses or renames what the experiment names.
    """
    listed = overrides if isinstance(overrides, list | tuple) else [overrides]
    given = tuple(o for o in listed if isinstance(o, str) and ("=" in o or o[:1] == "~"))
    if listed is not overrides or len(given) < len(listed):
        raise UserError(
            f"overrides = {overrides!r}: expected a list of Hydra overrides, such as --config \"overrides=['seed=7']\""
        )
    for override in given:
        group, _, further = key_of(override).partition(".")
        if is_named(study, group) and further in ("", "name", "plugin"):
            such = f", such as {study.lists[group]}=[...]" if group in study.lists else ""
            raise UserError(
                f"override {override!r}: the workflow chooses {group} itself, for every name the experiment lists; "
                f"override the experiment's lists instead{such}"
            )
    return given


def is_named(study: Study, group: str) -> bool:
    """Whether the workflow chooses a group itself, by a wildcard of its jobs or the name of the experiment."""
    return group == EXPERIMENT or (group in study.groups and any(group in card.wildcards for card in study.cards))


def key_of(override: str) -> str:
    """The key that an override changes."""
    return override.lstrip("+~").partition("=")[0]


def results_folder(study: Study, experiment: str, overrides: Sequence[str]) -> str:
    """Where the results of a run lie: those of a run with overrides in a folder of their own.

    The name says what was changed as far as it is short; the digest at its end tells it from any other.
    """
    changed = [override for override in overrides if section_of(override) not in study.unrecorded]
    if not changed:
        return f"results/{experiment}"
    words = "-".join(re.findall(r"[A-Za-z0-9_.]+", " ".join(changed)))
    return f"results/{experiment}+{words[:LONGEST].rstrip('.-')}-{sha256(repr(changed).encode()).hexdigest()[:6]}"


def refuse_relabelling(study: Study, overrides: Sequence[str], names: Mapping[str, Sequence[str]]) -> None:
    """Refuse an override that would make several names of an experiment one and the same.

    Args:
        study: whose groups they are.
        overrides: those of the user.
        names: by group, the names that the experiment lists.

    Raises:
        UserError: names the override and the names.
    """
    for override in overrides:
        key = key_of(override)
        listed = names.get(section_of(override), ())
        if key in study.places and len(listed) > 1:
            raise UserError(
                f"override {override!r} would make {' and '.join(listed)} the same under different names; override the "
                "experiment's list too, so that it names one, or give each a YAML of its own"
            )


def refuse_overruled(overrides: Sequence[str], entries: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Refuse an override that changes nothing, as every name sets that value itself: what a name sets comes first.

    Args:
        overrides: those of the user.
        entries: by section, what the names of the experiment stand for, as overrides.

    Raises:
        UserError: names the override and the names.
    """
    for override in overrides:
        named = entries.get(section_of(override), {})
        if named and all(any(covers(own, override) for own in chosen) for chosen in named.values()):
            own = ", ".join(
                f"{name} ({next(o for o in chosen if covers(o, override))})" for name, chosen in named.items()
            )
            raise UserError(
                f"override {override!r} changes nothing, as every {section_of(override)} of the experiment sets "
                f"{key_of(override)} itself: {own}. Change these in the experiment's YAML, or take back the override"
            )


def covers(own: str, override: str) -> bool:
    """Whether what an override sets, another sets as well."""
    return f"{key_of(override)}.".startswith(f"{key_of(own)}.") and section_of(own) != key_of(own)
