"""What is wrong with a file of the config tree, in one message with file and line."""

from pathlib import Path

from yaml import MarkedYAMLError, YAMLError

from lode.engine.errors import UserError, unknown_name

PACKAGE = "# @package _global_"


def check_choice(folder: Path, group: str, choice: str) -> None:
    """Refuse a choice without a file in the config tree, and an experiment that does not say where it belongs.

    Raises:
        UserError: names the choices that there are, or the line that is missing.
    """
    file = folder / group / f"{choice}.yaml"
    if not file.is_file():
        known = [str(path.relative_to(folder / group).with_suffix("")) for path in (folder / group).rglob("*.yaml")]
        raise unknown_name(group, choice, known, f"To add it, create config/{group}/{choice}.yaml.")
    if group == "experiment":
        check_package(file)


def check_package(file: Path) -> None:
    """Refuse an experiment that Hydra would put into a section of its own, as its first line does not say otherwise.

    Raises:
        UserError: names the line that is missing.
    """
    lines = file.read_bytes().decode(errors="replace").splitlines()
    line = next(filter(str.strip, lines), "")
    if line.replace(" ", "") != PACKAGE.replace(" ", ""):
        raise UserError(
            f"{file}: the first line is {line.strip()!r}; expected {PACKAGE!r}, by which its keys are those of the "
            "whole config. Write it above everything else, without a byte order mark"
        )


def refusal(error: YAMLError | UnicodeDecodeError, folder: Path) -> UserError:
    """The error for a file below a folder that is no YAML: where, and what to do where that can be told."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        broken = next((path for path in sorted(folder.rglob("*.yaml")) if not is_text(path)), folder)
        return UserError(f"{broken}: {' '.join(str(error).split())}; expected YAML. Save it as UTF-8 text")
    mark, problem = error.problem_mark, error.problem or ""
    remedy = "Correct the line"
    if "'\\t'" in problem:
        problem, remedy = "a tab", "Indent with blanks"
    elif "duplicate key" in problem:
        remedy = "Remove one of the two"
    where = f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}"
    return UserError(f"{where}: {problem}; expected YAML. {remedy}")


def is_text(path: Path) -> bool:
    """Whether a file is UTF-8."""
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True
