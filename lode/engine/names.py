"""What a name may hold: the one definition, for the checks, the wildcards of the rules and the overrides alike."""

import re

from lode.engine.errors import UserError
from lode.engine.hydra_private import value_of

#: The name of a model, planting, dataset, selection, intervention, figure or recipe: a folder, a wildcard of the rules.
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
#: The name of an experiment is a folder only, so further signs and folders within folders do no harm.
EXPERIMENT_NAME = (
    r"[A-Za-z0-9_](?:[A-Za-z0-9_.+ -]*[A-Za-z0-9_.+-])?(?:/[A-Za-z0-9_](?:[A-Za-z0-9_.+ -]*[A-Za-z0-9_.+-])?)*"
)


def check_legal(what: str, name: str) -> None:
    """Refuse a name that no wildcard of the rules would match, or that YAML and Hydra would not take for text.

    Raises:
        UserError: names `what`, the name and the signs it may hold.
    """
    if not re.fullmatch(NAME, name):
        raise UserError(f"{what}: {name!r} may hold letters, digits and . _ - only, the first no . or -; rename it")
    if not is_text(name):
        raise UserError(
            f"{what}: {name!r} reads as a number, a truth value or null; expected a name with letters first"
        )


def check_experiment_name(name: object) -> str:
    """The name of an experiment as it was typed.

    Raises:
        UserError: it did not arrive as text, or holds a sign that no folder of results may.
    """
    if not isinstance(name, str):
        raise UserError(
            f"experiment = {name!r}: Snakemake read the name as a number or a truth value, and what was typed is lost; "
            "expected text. Call `make reproduce EXPERIMENT=<name>`, or --config 'experiment=!!str <name>'"
        )
    if not re.fullmatch(EXPERIMENT_NAME, name):
        raise UserError(
            f"experiment {name!r}: the name may hold letters, digits, _ and blanks . - + / only, and starts with "
            "one of the first three; rename the file in config/experiment/"
        )
    return name


def check_path(what: str, path: str) -> str:
    """A path that goes to Snakemake, which reads braces as wildcards.

    Raises:
        UserError: it holds braces.
    """
    if "{" in path or "}" in path:
        raise UserError(f"{what}: the path {path!r} holds braces, which Snakemake reads as wildcards; rename it")
    return path


def chosen_experiment(name: str) -> str:
    """The Hydra override that chooses an experiment; in quotes where Hydra would not take the name for text."""
    return f"experiment={name}" if is_text(name) else f"experiment='{name}'"


def is_text(name: str) -> bool:
    """Whether Hydra reads a legal name as what it is, and not as a number, a truth value or null."""
    return bool(value_of(name) == name)
