"""Refuse a bad intervention while the job graph is built: its options, its switches, and both together."""

import ast
import math
from functools import cache
from typing import Any

from lode.engine.errors import UserError, unknown_name
from lode.engine.paths import ROOT

#: Which neurons, which tokens, which forward passes (`lode/intervention/__init__.py`).
SWITCHES = {
    "neurons": ("set", "others"),
    "tokens": ("all", "own", "generated"),
    "passes": ("both", "prefill", "decode"),
}
#: Pairs of tokens and passes that no token is in.
NOTHING = (("generated", "prefill"), ("own", "decode"))


@cache
def read_intervention(plugin: str) -> tuple[ast.arguments, tuple[str, ...]]:
    """The arguments of `new_values` of a plug-in, and its `NEEDS`; read, as importing it would import torch."""
    tree = ast.parse((ROOT / "lode" / "intervention" / f"{plugin}.py").read_text())
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "new_values")
    (needs,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "NEEDS" and node.value
    )
    return function.args, ast.literal_eval(needs)


def check_options(intervention: Any) -> None:
    """Refuse options that the plug-in does not take, lack of one that it needs, and what is no finite number."""
    arguments, _ = read_intervention(intervention.plugin)
    options = [argument.arg for argument in arguments.args[1:]]
    what = f"intervention {intervention.name}"
    for key, value in intervention.options.items():
        if key not in options:
            raise unknown_name(f"option of {what}", key, options or ["(none)"])
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(f"intervention.options.{key} = {value!r} of {what}: expected a finite number, such as 0.5")
    for key in options[: len(options) - len(arguments.defaults)]:
        if key not in intervention.options:
            raise UserError(f"{what} needs the option {key!r}; set it in the YAML's `options`")


def check_intervention(intervention: Any) -> None:
    """Refuse bad options, unknown switches, and switches that leave nothing to act on.

    Args:
        intervention: the section of the config; its plug-in exists.
    """
    check_options(intervention)
    for key, known in SWITCHES.items():
        if intervention[key] not in known:
            raise unknown_name(f"intervention.{key}", intervention[key], known)
    tokens, passes = intervention.tokens, intervention.passes
    if (tokens, passes) in NOTHING:
        raise UserError(
            f"intervention.tokens = {tokens} with intervention.passes = {passes}: no token is in both. Those of the "
            "reply pass in decoding, those of a group (own) in prefill; expected intervention.passes=both"
        )
